"""`radflow messages replay`."""

import json
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Annotated

import typer
from rich.progress import Progress
from sqlmodel import Session

from radflow.clock import utc_now
from radflow.commands.messages import common
from radflow.commands.messages.common import AsJson, Since, SiteName
from radflow.settings import settings
from radflow.store import message_search, messages, replays
from radflow.store.engine import store
from radflow.store.message_search import Wanted
from radflow.store.messages import MessageState

ASKS_ABOVE = 100
"""More messages than this are replayed only when a person says so."""
_BATCH = 200


def replay(
    message_id: Annotated[int | None, typer.Argument(help="One message, by its number.")] = None,
    order: Annotated[
        str, typer.Option(help="All messages of an order: its key, a number, or its Study Instance UID.")
    ] = "",
    errors: Annotated[bool, typer.Option("--errors", help="All messages in quarantine.")] = False,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="All messages of a day of the site's.")
    ] = None,
    since: Since = "",
    site: SiteName = "",
    yes: Annotated[bool, typer.Option("--yes", help=f"Do not ask, even for more than {ASKS_ABOVE}.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have messages looked at once more, in the order they came. What is right already stays as it is."""
    if sum(map(bool, (message_id is not None, order, errors, day))) != 1:
        raise typer.BadParameter("Say what to replay: a number, --order, --errors or --day.")
    if since and not errors:
        raise typer.BadParameter("--since goes with --errors.")
    with store().read() as session:
        if message_id is not None:
            ids = [_one(session, message_id)]
        else:
            ids = sorted(
                {found for each in _wanted(order, day, since, site) for found in _ids(session, each)}
            )
    if dry_run:
        _say(as_json, len(ids), 0)
        return
    if len(ids) > ASKS_ABOVE and not yes:
        typer.confirm(f"Replay {len(ids)} messages?", abort=True, err=True)
    _say(as_json, len(ids), _requeue(ids))


def _one(session: Session, message_id: int) -> int:
    message = messages.get(session, message_id)
    if message is None:
        raise common.no_such(message_id)
    if message.state == MessageState.REPAIRED:
        raise typer.BadParameter(f"{message.reason} Replay that one.")
    return message_id


def _wanted(order: str, day: datetime | None, since: str, site: str) -> Iterator[Wanted]:
    sites = common.sites_of(site)
    if day is None:
        quarantined = "" if order else MessageState.QUARANTINED
        since_when = common.point_in_time(since, utc_now())
        yield Wanted(order=order, state=quarantined, since=since_when, site=site, sites=sites)
        return
    for name in sites:
        zone = settings().site(name).zone
        first = datetime.combine(day, time(), zone)
        yield Wanted(site=name, since=first, until=datetime.combine(day + timedelta(days=1), time(), zone))


def _ids(session: Session, wanted: Wanted) -> list[int]:
    return message_search.ids(session, wanted, replays.REPLAYABLE)


def _requeue(ids: list[int]) -> int:
    queued = 0
    with Progress(console=common.progress, transient=True) as bar:
        task = bar.add_task("replaying", total=len(ids))
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            with store().write() as session:
                queued += replays.requeue(session, batch)
            bar.advance(task, len(batch))
    return queued


def _say(as_json: bool, found: int, queued: int) -> None:
    if as_json:
        typer.echo(json.dumps({"found": found, "queued": queued}))
    else:
        common.progress.print(f"{found} found, {queued} queued again")

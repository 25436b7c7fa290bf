"""`radflow destinations …`: what goes out over HL7, what waits and why, and what a person may do about it."""

import getpass
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlmodel import Session

from radflow.clock import utc_now
from radflow.settings import settings
from radflow.store import destinations, outbox
from radflow.store.destinations import Queue
from radflow.store.engine import store
from radflow.store.tables import DestinationState, OutboxMessage

app = typer.Typer(no_args_is_help=True, help="Destinations: what goes out over HL7, and what is stuck.")
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Name = Annotated[str, typer.Argument(help="The destination, as the site file names it.")]
OfSite = Annotated[str, typer.Option("--site", help="Its site, where several have one of this name.")]
MessageId = Annotated[int | None, typer.Option("--id", help="This message, as `parked` shows it.")]
All = Annotated[bool, typer.Option("--all", help="Everything that is parked there.")]


@app.command("list")
def list_destinations(as_json: AsJson = False) -> None:
    """List destinations: whether they answer, how much waits, and for how long."""
    with store().read() as session:
        owed = destinations.queues(session)
        rows = [
            _summary(destinations.look(session, site, name), owed.get((site, name), Queue()), utc_now())
            for site, name in sorted({*_known(), *owed})
        ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("site", "destination", "state", "queued", "parked", "oldest (UTC)", "failures", "trouble")
    for row in rows:
        table.add_row(
            row["site"], row["name"], row["state"], str(row["queued"]), str(row["parked"]),
            (row["oldest"] or "")[:19], str(row["failures"]), row["trouble"],
        )  # fmt: skip
    Console().print(table)


@app.command()
def pause(name: Name, site: OfSite = "", as_json: AsJson = False) -> None:
    """Stop sending to a destination; its messages wait."""
    with store().write() as session:
        state = destinations.pause(session, _site_of(name, site), name)
        _say_state(session, state, as_json, f"{name} is paused")


@app.command()
def resume(name: Name, site: OfSite = "", as_json: AsJson = False) -> None:
    """Go on sending to a destination, now: after a pause, or instead of waiting for the next try."""
    with store().write() as session:
        state = destinations.resume(session, _site_of(name, site), name)
        _say_state(session, state, as_json, f"{name} is sent to again")


@app.command()
def parked(name: Name, site: OfSite = "", as_json: AsJson = False) -> None:
    """List what a destination has refused, oldest first."""
    with store().read() as session:
        rows = [_message(row) for row in outbox.parked_at(session, _site_of(name, site), name)]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("id", "queued (UTC)", "type", "order", "attempts", "answer")
    for row in rows:
        table.add_row(
            str(row["id"]), row["queued_at"][:19], row["type"], row["order_key"] or "",
            str(row["attempts"]), row["answer"],
        )  # fmt: skip
    Console().print(table)


@app.command()
def resend(
    name: Name,
    message_id: MessageId = None,
    everything: All = False,
    site: OfSite = "",
    as_json: AsJson = False,
) -> None:
    """Send parked messages once more, under the same MSH-10; what stands behind them follows."""
    with store().write() as session:
        chosen = _chosen(session, name, site, message_id, everything=everything)
        rows = [_message(outbox.resend(session, _id(row))) for row in chosen]
    _say_messages(rows, as_json, "queued again")


@app.command()
def skip(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why, without anything of the patient.", prompt=True)],
    message_id: MessageId = None,
    everything: All = False,
    site: OfSite = "",
    as_json: AsJson = False,
) -> None:
    """Give up parked messages: they are never sent, and what stands behind them goes on."""
    with store().write() as session:
        chosen = _chosen(session, name, site, message_id, everything=everything)
        by, now = getpass.getuser(), utc_now()
        rows = [_message(outbox.skip(session, _id(row), by=by, reason=reason, now=now)) for row in chosen]
    _say_messages(rows, as_json, "skipped")


def _known() -> list[tuple[str, str]]:
    """The destinations of all site files."""
    return [
        (site, destination.name) for site, its in settings().sites.items() for destination in its.destinations
    ]


def _site_of(name: str, site: str) -> str:
    """The site whose destination is meant: the named one, or else the only one that has it.

    One that is no longer in a site file may still have messages, and is found by these.
    """
    with store().read() as session:
        pairs = sorted({*_known(), *destinations.queues(session)})
    sites = [of for of, known in pairs if known == name and site in ("", of)]
    if not sites:
        raise typer.BadParameter(f"There is no destination {name!r}; `radflow destinations list` shows them.")
    if len(sites) > 1:
        raise typer.BadParameter(f"{' and '.join(sites)} have a destination {name!r}; say --site.")
    return sites[0]


def _chosen(
    session: Session, name: str, site: str, message_id: int | None, *, everything: bool
) -> Sequence[OutboxMessage]:
    if (message_id is None) is not everything:
        raise typer.BadParameter("Say which message with --id, or --all.")
    found = outbox.parked_at(session, _site_of(name, site), name)
    chosen = [row for row in found if everything or row.id == message_id]
    if not everything and not chosen:
        raise typer.BadParameter(
            f"{name} has no parked message {message_id}; `radflow destinations parked {name}` shows them."
        )
    return chosen


def _id(row: OutboxMessage) -> int:
    assert row.id is not None
    return row.id


def _say_state(session: Session, state: DestinationState, as_json: bool, words: str) -> None:
    owed = destinations.queues(session).get((state.site, state.name), Queue())
    if as_json:
        typer.echo(json.dumps(_summary(state, owed, utc_now())))
    else:
        Console(stderr=True).print(words)


def _say_messages(rows: list[dict[str, Any]], as_json: bool, words: str) -> None:
    if as_json:
        typer.echo(json.dumps(rows))
        return
    subject = "message is" if len(rows) == 1 else "messages are"
    Console(stderr=True).print(f"{len(rows)} {subject} {words}")


def _summary(state: DestinationState, owed: Queue, now: datetime) -> dict[str, Any]:
    words = "paused" if state.paused else "failing" if state.failures else "up"
    return {
        "site": state.site,
        "name": state.name,
        "state": words,
        "queued": owed.queued,
        "parked": owed.parked,
        "oldest": owed.oldest.isoformat() if owed.oldest else None,
        "oldest_seconds": int((now - owed.oldest).total_seconds()) if owed.oldest else 0,
        "failures": state.failures,
        "failing_since": state.failing_since.isoformat() if state.failing_since else None,
        "next_try_at": state.next_try_at.isoformat() if state.next_try_at else None,
        "trouble": state.trouble,
    }


def _message(row: OutboxMessage) -> dict[str, Any]:
    return {
        "id": row.id,
        "site": row.site,
        "destination": row.destination,
        "queued_at": row.created_at.isoformat(),
        "type": row.message_type,
        "control_id": row.control_id,
        "order_key": row.order_key,
        "message_id": row.message_id,
        "state": row.state,
        "attempts": row.attempts,
        "answer": row.answer,
    }

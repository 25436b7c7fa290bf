"""`radflow move …`: studies that are to be copied from archive to archive, and how far they are."""

import getpass
import json
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from radflow.clock import utc_now
from radflow.settings import ConfigError, Site, settings
from radflow.store import transfers
from radflow.store.engine import store
from radflow.store.tables import TransferItem, TransferRow
from radflow.store.transfers import TransferState

app = typer.Typer(no_args_is_help=True, help="Moving studies from archive to archive.")
progress = Console(stderr=True)
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
OfSite = Annotated[str, typer.Option("--site", help="The site; needed where there are several.")]
Uids = Annotated[list[str] | None, typer.Argument(help="Study Instance UIDs.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="By Study Date, of the source.")]


@app.command()
def add(
    source: Annotated[str, typer.Option("--from", help="The archive they are in.")],
    target: Annotated[str, typer.Option("--to", help="The archive they are wanted in.")],
    studies: Uids = None,
    file: Annotated[Path | None, typer.Option(help="A file with a Study Instance UID a line.")] = None,
    since: Day = None,
    until: Day = None,
    site: OfSite = "",
    as_json: AsJson = False,
) -> None:
    """Ask for studies to be copied. The routing flow moves them, or `radflow move run`."""
    its = _site(site)
    if source == target:
        raise typer.BadParameter("--from and --to are the same archive.")
    its.archive(target)
    wanted = [*(studies or []), *_lines(file), *_of_days(its, source, since, until)]
    if not wanted and not since:
        raise typer.BadParameter("Say which: Study Instance UIDs, --file or --since.")
    with store().write() as session:
        added = transfers.add(
            session, its.name, wanted, source=source, target=target, why=f"person:{getpass.getuser()}",
            now=utc_now(),
        )  # fmt: skip
    _say({"asked": len(set(wanted)), "added": added}, as_json, f"{added} studies are to be moved")


@app.command("list")
def list_transfers(
    state: Annotated[list[TransferState] | None, typer.Option(help="Only these; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(help="The newest so many.", min=1)] = 50,
    site: OfSite = "",
    as_json: AsJson = False,
) -> None:
    """List transfers, newest first, and how many of each way are waiting, done and failed."""
    its = _site(site)
    with store().read() as session:
        counts = transfers.summary(session, its.name)
        rows = transfers.recent(session, its.name, state or list(TransferState), limit)
    if as_json:
        ways = [
            {"from": source, "to": target, "state": of, "studies": count}
            for (source, target, of), count in sorted(counts.items())
        ]
        typer.echo(json.dumps({"ways": ways, "transfers": [_transfer(row) for row in rows]}))
        return
    for (source, target, of), count in sorted(counts.items()):
        progress.print(f"{source} → {target}: {count} {of}")
    _table(
        ("id", "study", "from", "to", "state", "sent", "of", "tries", "why not"),
        [(row.id, row.study_instance_uid, row.source, row.target, row.state, row.sent, row.expected,
          row.attempts, row.trouble) for row in rows],
    )  # fmt: skip


@app.command()
def show(
    transfer_id: Annotated[int, typer.Argument(help="As `list` shows it.")], as_json: AsJson = False
) -> None:
    """Show a transfer and the instances that are not there yet, each with the reason."""
    with store().read() as session:
        row = session.get(TransferRow, transfer_id)
        if row is None:
            raise typer.BadParameter(f"There is no transfer {transfer_id}; `radflow move list` shows them.")
        items = transfers.items_of(session, transfer_id)
    if as_json:
        typer.echo(json.dumps(_transfer(row) | {"instances": [_item(item) for item in items]}))
        return
    progress.print(f"{row.source} → {row.target}: {row.state} {row.trouble}")
    _table(
        ("instance", "state", "reason"), [(item.sop_instance_uid, item.state, item.reason) for item in items]
    )


@app.command()
def run(site: OfSite = "", as_json: AsJson = False) -> None:
    """Move what waits here and now, without Prefect; ends when nothing can be moved any more."""
    from radflow.stopping import Stop
    from tasks.move import mover_of, states

    its, stop = _site(site), Stop().on_signals()
    mover_of(its, store(), stopped=lambda: stop.told).run()
    counts = states(its.name)
    _say(counts, as_json, ", ".join(f"{count} {state}" for state, count in counts.items()))
    raise typer.Exit(1 if counts[TransferState.FAILED] else 0)


@app.command()
def retry(studies: Uids = None, site: OfSite = "", as_json: AsJson = False) -> None:
    """Try failed studies again: these, or all of them."""
    its = _site(site)
    with store().write() as session:
        count = transfers.retry(session, its.name, utc_now(), studies or None)
    _say({"again": count}, as_json, f"{count} studies are tried again")


def _site(name: str) -> Site:
    sites = settings().sites
    if not name and len(sites) == 1:
        return next(iter(sites.values()))
    if not name:
        raise typer.BadParameter(f"There are several sites ({', '.join(sites)}): say --site.")
    return settings().site(name)


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        return [line.strip() for line in file.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {type(error).__name__}.") from None


def _of_days(site: Site, source: str, since: datetime | None, until: datetime | None) -> Sequence[str]:
    archive = site.archive(source)
    if since is None:
        return []
    from radflow.connectors.errors import Refused, Unavailable
    from radflow.connectors.transfer.search import search_studies

    last: date = until or utc_now().astimezone(site.zone)
    try:
        found = search_studies(archive, site.zone, {"StudyDate": f"{since:%Y%m%d}-{last:%Y%m%d}"})
    except (Unavailable, Refused) as error:
        raise typer.BadParameter(str(error)) from None
    return [study.study_instance_uid for study in found]


def _table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    table = Table(*titles)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console().print(table)


def _say(what: dict[str, Any], as_json: bool, words: str) -> None:
    if as_json:
        typer.echo(json.dumps(what))
    else:
        progress.print(words)


def _transfer(row: TransferRow) -> dict[str, Any]:
    return {
        "id": row.id, "study_instance_uid": row.study_instance_uid, "from": row.source, "to": row.target,
        "why": row.why, "state": row.state, "expected": row.expected, "sent": row.sent,
        "attempts": row.attempts, "trouble": row.trouble, "next_try_at": row.next_try_at.isoformat(),
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
    }  # fmt: skip


def _item(item: TransferItem) -> dict[str, str]:
    return {"sop_instance_uid": item.sop_instance_uid, "state": item.state, "reason": item.reason}

"""`radflow archives …`: which archives answer, and since when one does not."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from radflow.settings import settings
from radflow.store import archives
from radflow.store.engine import store
from radflow.store.tables import ArchiveState

app = typer.Typer(no_args_is_help=True, help="Archives: which of them answer.")
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]


@app.command("list")
def list_archives(as_json: AsJson = False) -> None:
    """List the archives of all sites: whether each answers, and when a failing one is tried again."""
    with store().read() as session:
        rows = [
            _summary(archives.look(session, name, archive.name), archive.kind)
            for name, site in settings().sites.items()
            for archive in site.archives
        ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("site", "archive", "kind", "state", "answered", "failing since", "next try", "trouble")
    for row in rows:
        times = ((row[key] or "")[:19] for key in ("answered_at", "failing_since", "next_try_at"))
        table.add_row(row["site"], row["name"], row["kind"], row["state"], *times, row["trouble"])
    Console().print(table)


def _summary(state: ArchiveState, kind: str) -> dict[str, Any]:
    times = {
        name: at.isoformat() if (at := getattr(state, name)) else None
        for name in ("answered_at", "searched_at", "failing_since", "next_try_at")
    }
    return {
        "site": state.site,
        "name": state.name,
        "kind": kind,
        "state": "failing" if state.failures else "up" if state.answered_at else "not asked yet",
        "failures": state.failures,
        "trouble": state.trouble,
        **times,
    }

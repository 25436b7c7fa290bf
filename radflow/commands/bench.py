"""`radflow bench`: what radflow does in a second, and what others do beside it."""

import json
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from radflow.bench.registry import Bench, Place, all_benches
from radflow.simulators.home import at_home_in

progress = Console(stderr=True)
_MET = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}


def bench(
    name: Annotated[str, typer.Argument(help="Which one; `list` says what there is.")],
    size: Annotated[
        list[int] | None, typer.Option(help="Instead of its own sizes; may be repeated.", min=1)
    ] = None,
    seconds: Annotated[float, typer.Option(help="For which each rate is measured.", min=0.1)] = 3.0,
    postgres_url: Annotated[
        str, typer.Option(help="A PostgreSQL server in which databases may be made; else one is started.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Measure, beside others where they are installed. Nothing outside a temporary folder is touched."""
    benches = all_benches()
    if name == "list":
        _list(benches, as_json)
        return
    if name not in benches:
        raise typer.BadParameter(f"There is no bench {name!r}; there are {', '.join(benches)}.")
    with _ended_by_sigterm(), tempfile.TemporaryDirectory(prefix="radflow-bench-") as folder:
        at_home_in(Path(folder))
        place = Place(Path(folder), progress.print, seconds, postgres_url)
        answer = benches[name].run(size or (), place)
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        Console().print(_table(answer["results"]))


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends a bench as Ctrl-C does: what it has started is stopped, its folder is removed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _list(benches: Mapping[str, Bench], as_json: bool) -> None:
    if as_json:
        rows = [
            {"bench": one.name, "about": one.about, "size": one.size, "sizes": one.sizes}
            for one in benches.values()
        ]
        typer.echo(json.dumps({"benches": rows}))
        return
    table = Table("bench", "what it measures", "at")
    for one in benches.values():
        table.add_row(one.name, one.about, f"{', '.join(map(str, one.sizes))} {one.size}")
    Console().print(table)


def _table(results: list[dict[str, Any]]) -> Table:
    table = Table("ratio", "case", "ours", "peer", "unit", "peer is", "goal", "")
    for one in results:
        ratio = f"{one['ratio']:g}×" if one["ratio"] is not None else ""
        peer = f"{one['peer']:g}" if one["peer"] is not None else ""
        table.add_row(
            ratio, one["case"], f"{one['ours']:g}", peer, one["unit"], one["peer_name"] or "",
            one["goal"] or "", _MET[one["met"]],
        )  # fmt: skip
    return table

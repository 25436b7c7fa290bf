"""`radflow simulate …`: a hospital against which radflow is tried."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from radflow.simulators.home import at_home_in

app = typer.Typer(no_args_is_help=True, help="A simulated hospital, and what becomes of its orders.")
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]

_SHOWN = (
    "orders", "published", "cancelled", "open", "lost", "duplicated", "wrongly_linked", "changed_by_replay",
)  # fmt: skip


@app.callback()
def simulate() -> None:
    """A simulated hospital."""


@app.command()
def day(
    orders: Annotated[int, typer.Option(help="How many orders.", min=20)] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed plans the same day.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Play a day: changes, cancels, groups, merges, wrong accession numbers, corrections; replay it twice.

    HL7, worklist, performed steps, storage and C-FIND go over sockets; the clock is set by hand, and legs run
    without Prefect. Nothing outside a temporary folder is touched.
    """
    from radflow.simulators.day.run import simulate_day

    with (
        tempfile.TemporaryDirectory(prefix="radflow-day-") as folder,
        Progress(console=Console(stderr=True), transient=True) as bar,
    ):
        at_home_in(Path(folder))
        task = bar.add_task("the day")
        answer = simulate_day(
            orders, seed, lambda what, done, of: bar.update(task, description=what, completed=done, total=of)
        )
    wrong = any(
        answer[name] for name in ("open", "lost", "duplicated", "wrongly_linked", "changed_by_replay")
    )
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        Console().print(_table(answer))
    raise typer.Exit(1 if wrong else 0)


def _table(answer: dict[str, object]) -> Table:
    table = Table("", "orders")
    for name in _SHOWN:
        table.add_row(name.replace("_", " "), str(answer[name]))
    return table

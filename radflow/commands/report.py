"""`radflow report …`: figures of what has been done."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(no_args_is_help=True, help="Reports.")
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A local day of the site.")]


@app.callback()
def reports() -> None:
    """Reports."""


@app.command()
def turnaround(
    since: Day = None,
    until: Day = None,
    site: Annotated[str, typer.Option(help="Only this site.")] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON on standard output; times in seconds.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write one HTML page, pictures inside.")] = None,
    png: Annotated[Path | None, typer.Option(help="Write pictures into this folder.")] = None,
) -> None:
    """How long orders take from stage to stage: median, 90th percentile, overdue; both days included."""
    from mappings.turnaround import duration, records
    from radflow.clock import utc_now
    from radflow.connectors.atomic import write_atomically
    from tasks.turnaround import turnaround_report
    from tasks.turnaround.page import headline, page
    from tasks.turnaround.plots import plots

    report = turnaround_report(
        site, since.date() if since else None, until.date() if until else None, utc_now()
    )
    if html:
        write_atomically(html.resolve(), page(report).encode())
    if png:
        for name, picture in plots(report):
            write_atomically(png.resolve() / f"{name}.png", picture)
    if as_json:
        typer.echo(json.dumps(report.as_json()))
        return
    console = Console()
    console.print(headline(report))
    table = Table("site", "modality", "priority", "stage", "orders", "waiting", "median", "P90", "overdue")
    for row in records(report.stages):
        times = (duration(row["median_seconds"]), duration(row["p90_seconds"]))
        names = (row["site"], row["modality"], row["priority"], row["stage"])
        table.add_row(*names, str(row["orders"]), str(row["waiting"]), *times, str(row["overdue"]))
    console.print(table)

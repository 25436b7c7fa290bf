"""The turnaround report, once a day: a table in the Prefect UI, and a page on disk."""

from datetime import date, timedelta

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import PositiveInt

from mappings.turnaround import records
from radflow.clock import utc_now
from radflow.connectors.atomic import write_atomically
from radflow.settings import settings
from tasks.turnaround import Report, turnaround_report
from tasks.turnaround.page import markdown, page

KEY = "turnaround"


@task(name="measure_turnaround", cache_policy=NO_CACHE, persist_result=False)
def measure_turnaround(site: str, since: date | None, until: date | None) -> Report:
    """Read the orders of these days. Raises ConfigError for a site that is not there."""
    return turnaround_report(site, since, until, utc_now())


@flow(name="turnaround", persist_result=False)
def turnaround(
    site: str = "", since: date | None = None, until: date | None = None, days: PositiveInt = 7
) -> str:
    """Show the turnaround; returns where the page is.

    Args:
        site: the site; empty for all.
        since: first local day on which orders were received; empty for so many days before today.
        until: last day; empty for today.
        days: how many.
    """
    first = since or utc_now().date() - timedelta(days=days)
    report = measure_turnaround(site, first, until)
    create_markdown_artifact(key=KEY, markdown=markdown(report), description="Turnaround by stage")
    create_table_artifact(
        records(report.stages), key=f"{KEY}-stages", description="By modality, priority and stage"
    )
    file = settings().home.resolve() / "reports" / f"turnaround{f'-{site}' if site else ''}.html"
    write_atomically(file, page(report).encode())
    return str(file)

"""Polling: FHIR servers that have reports are asked for what has changed."""

from prefect import flow

from radflow.clock import utc_now
from radflow.settings import settings
from radflow.store.engine import store
from tasks.report_sources import due, poll_source


@flow(name="poll-reports", persist_result=False)
def poll_reports(site: str = "") -> int:
    """Ask each source whose time has come; returns how many versions of reports are new.

    The dispatcher brings them to their orders.

    Args:
        site: the site whose sources are asked; empty for all.
    """
    return sum(
        poll_source(name, source)
        for name, its in settings().sites.items()
        if site in ("", name)
        for source in due(store(), its, utc_now())
    )

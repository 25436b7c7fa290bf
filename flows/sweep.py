"""The sweep: every archive of a site is asked once for all the images that are waited for."""

from prefect import flow, get_run_logger

from radflow.clock import utc_now
from radflow.connectors.errors import Unavailable
from radflow.connectors.orchestrator import PrefectOrchestrator
from radflow.settings import settings
from radflow.store.engine import store
from tasks.sweep import search_archive
from tasks.wake import wake_orders


@flow(name="sweep", persist_result=False)
def sweep(site: str = "") -> int:
    """Find images and wake the orders they belong to; returns how many were found.

    Args:
        site: the site to sweep; empty for all.
    """
    found = 0
    for name, its in settings().sites.items():
        for archive in its.archives if site in ("", name) else ():
            try:
                found += len(search_archive(name, archive.name))
            except Unavailable as error:
                get_run_logger().warning("archive %s of %s: %s", archive.name, name, error)
    # The dispatcher has woken them already; if it is down, or a wake-up was lost, this does.
    wake_orders(store(), PrefectOrchestrator(), utc_now())
    return found

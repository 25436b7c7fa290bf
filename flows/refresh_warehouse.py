"""The warehouse follows the store: every few minutes, what has changed is written."""

from datetime import timedelta

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from pydantic import PositiveFloat

from radflow.clock import utc_now
from radflow.connectors.errors import Unavailable
from radflow.settings import settings
from tasks.warehouse import refresh_site


class RefreshIncomplete(RuntimeError):
    """A site's warehouse could not be written; what is to be written is kept in mind."""


@task(name="refresh_warehouse_of_site", cache_policy=NO_CACHE, persist_result=False)
def refresh_warehouse_of_site(site: str, hours: float) -> dict[str, int]:
    """Write what has changed in so many hours. Raises WarehouseUnavailable: it may work later."""
    return refresh_site(site, utc_now() - timedelta(hours=hours))


@flow(name="refresh-warehouse", persist_result=False)
def refresh_warehouse(site: str = "", hours: PositiveFloat = 1) -> dict[str, dict[str, int]]:
    """Write what has changed in the last hours; returns how many orders and messages.

    Args:
        site: the site; empty for all.
        hours: more than lies between two runs; after a longer pause, rebuild-warehouse does the rest.

    Raises:
        RefreshIncomplete: a site's warehouse is not there; the others are written.
    """
    done: dict[str, dict[str, int]] = {}
    for name in settings().sites if not site else (site,):
        try:
            done[name] = refresh_warehouse_of_site(name, hours)
        except Unavailable as error:
            get_run_logger().warning("warehouse of %s: %s", name, error)
    if missing := [name for name in (settings().sites if not site else (site,)) if name not in done]:
        raise RefreshIncomplete(f"not written: {', '.join(missing)}")
    return done

"""Ask one archive for the images of all orders that wait for them: one query, however many wait."""

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from radflow.clock import utc_now
from radflow.settings import settings
from radflow.store.engine import store
from radflow.store.performed_steps import completed
from tasks.finding import search
from tasks.look import Searched
from tasks.run_log import run_log


@task(name="search_archive", cache_policy=NO_CACHE)
def search_archive(site_name: str, archive_name: str, already_shown: Sequence[str] = ()) -> Searched:
    """Note the studies found, and wake the orders they belong to.

    An archive that does not answer is noted as failing: it is logged once, and left alone for a while.
    """
    site = settings().site(site_name)
    searched = search(store(), site, archive_name, utc_now(), completed, already_shown)
    if searched.news:
        run_log().warning("%s (site %s)", searched.news, site_name)
    return searched

"""Look for an order's images at once, when its modality or an archive has said that they are there."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from radflow.clock import utc_now
from radflow.order import Event
from radflow.settings import settings
from radflow.store import orders
from radflow.store.engine import store
from radflow.store.performed_orders import studies_of
from radflow.store.tables import OrderRow
from tasks.notices import look_up
from tasks.run_log import run_log

_THERE = frozenset({Event.ACQUISITION_COMPLETED, Event.INSTANCES_AVAILABLE})


@task(name="look_for_images", cache_policy=NO_CACHE)
def look_for_images(order_key: str) -> dict[str, bool]:
    """Ask the archives for this order's studies; they are not asked while it is only being performed.

    Images that are on their way, or an archive that is down, are found by the next sweep.
    """
    with store().read() as session:
        row = session.get_one(OrderRow, order_key)
        uids = sorted({row.study_instance_uid, *studies_of(session, order_key)})
        there = _THERE & {Event(line.event) for line in orders.events_of(session, order_key)}
    site = settings().site(row.site)
    if not (there and site.archives):
        return {"asked": False}
    for news in look_up(store(), site, uids, utc_now()):
        run_log().warning("%s (site %s)", news, site.name)
    return {"asked": True}

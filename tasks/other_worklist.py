"""Show an order on the worklist that a site keeps already, as ours has it."""

from collections.abc import Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from radflow.connectors.worklists import open_worklist
from radflow.model import Order
from radflow.order import Event
from radflow.settings import settings
from radflow.settings.worklist_target import Dcm4cheeWorklist, WlFiles
from radflow.store import orders, worklist
from radflow.store.engine import store
from radflow.store.tables import OrderEvent, OrderRow

_STEP = "show_on_other_worklist"


@task(name=_STEP, cache_policy=NO_CACHE)
def show_on_other_worklist(order_key: str) -> dict[str, Any]:
    """Make its items there those that ours has, with their status; none once the order is off the worklist.

    Raises:
        Unavailable, Refused: as the worklist fares.
    """
    with store().read() as session:
        log = orders.events_of(session, order_key)
        row = session.get_one(OrderRow, order_key)
        site = settings().site(row.site)
        items = worklist.items_of(session, order_key, site.worklist.gone)
    target = site.worklist.target
    assert isinstance(target, Dcm4cheeWorklist | WlFiles)
    noted = {"items": len(items), "study": row.study_instance_uid}
    if items or _may_be_there(log):
        earlier = {line.detail["study"] for line in log if _shown(line)}
        order = Order.model_validate(row.document)
        open_worklist(target).show(order, items, {row.study_instance_uid, *earlier})
    return noted


def _may_be_there(log: Sequence[OrderEvent]) -> bool:
    """Whether something was put there, or begun to be, since it was last seen to be empty."""
    for line in reversed(log):
        if line.step == "put_on_worklist" and line.event == Event.STEP_COMPLETED:
            return True
        if _shown(line):
            return bool(line.detail["items"])
    return False


def _shown(line: OrderEvent) -> bool:
    return line.step == _STEP and line.event == Event.STEP_COMPLETED

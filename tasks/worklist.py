"""Put an order on the modality worklist."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from mappings.dicom.worklist import worklist_items
from radflow.settings import settings
from radflow.store import worklist
from radflow.store.engine import store
from tasks.order import read_order


@task(name="put_on_worklist", cache_policy=NO_CACHE)
def put_on_worklist(order_key: str) -> dict[str, int]:
    """One worklist item for each scheduled procedure step (IHE RAD-5); an older version is replaced."""
    order = read_order(order_key)
    items = worklist_items(order, settings().site(order.site).zone)
    with store().write() as session:
        worklist.put(session, order.key, order.site, items)
    return {"items": len(items)}

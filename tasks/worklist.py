"""Put an order on the modality worklist."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from mappings.dicom.worklist import worklist_items
from radflow.model import Order
from radflow.settings import settings
from radflow.store import performed_steps, worklist
from radflow.store.engine import store
from tasks.order import read_row


@task(name="put_on_worklist", cache_policy=NO_CACHE)
def put_on_worklist(order_key: str) -> dict[str, int]:
    """One worklist item for each scheduled procedure step (IHE RAD-5); an older version is replaced."""
    row = read_row(order_key)
    order = Order.model_validate(row.document)
    site = settings().site(order.site)
    items = worklist_items(order, site.zone, site.worklist.stations, row.created_at)
    with store().write() as session:
        worklist.put(session, order.key, order.site, items)
        performed_steps.show_on_worklist(session, order.key)
    return {"items": len(items)}

"""What tasks read of their order."""

from radflow.model import Order
from radflow.store.engine import store
from radflow.store.tables import OrderRow


def read_row(order_key: str) -> OrderRow:
    """The order's row. Raises NoResultFound when there is none."""
    with store().read() as session:
        return session.get_one(OrderRow, order_key)


def read_order(order_key: str) -> Order:
    """The order as last told. Raises NoResultFound when there is none."""
    return Order.model_validate(read_row(order_key).document)

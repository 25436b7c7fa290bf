"""What cannot be done to an order any more: its placer is told so (HL7 table 0119: UC, UD, UH, UX, UM).

v2.5.1 has these codes in the application's response (ORR, ORG, ORI). Its order messages are acknowledged here
as soon as they are stored, so the answer goes out later and as what its receiver takes: the order message of
IHE RAD-3, to each destination that takes status, in its queue.
"""

from datetime import datetime
from typing import Any

from sqlmodel import Session

from mappings.hl7.order_messages import order_message
from mappings.hl7.statuses import UNABLE, OrderStatus, status_of
from radflow.model import Order
from radflow.order import State, control_id
from radflow.services.intake.taken import Taken
from radflow.store import outbox
from radflow.store.tables import OrderRow
from tasks.send import envelope_for


def tell_placer(session: Session, row: OrderRow, control: str, taken: Taken[Any], now: datetime) -> str:
    """Queue the answer to a request (ORC-1) that is refused; a replay of the message queues nothing twice.

    Returns:
        The answer's ORC-1; empty where nothing was requested, or nobody takes status.
    """
    unable = UNABLE.get(control, "")
    told = [destination for destination in taken.site.destinations if "status" in destination.takes]
    if not unable or not told:
        return ""
    order = Order.model_validate(row.document)
    for destination in told:
        name = control_id(row.key, f"{destination.name}:{unable}:{taken.id}", 0)
        envelope = envelope_for(taken.site, destination, name)
        payload = order_message(
            order, unable, envelope, structure=destination.orders_as, version=destination.version,
            status=status_of(State(row.state)) or OrderStatus("", ""),
        )  # fmt: skip
        outbox.queue(
            session, site=row.site, destination=destination.name,
            queue=outbox.queue_of_patient(order.patient.identifiers[0]), message_type=destination.orders_as,
            control_id=name, payload=payload, now=now, order_key=row.key,
        )  # fmt: skip
    return unable

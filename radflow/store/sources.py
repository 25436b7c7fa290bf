"""What an order's resources are made from beside the order itself."""

from collections.abc import Collection, Sequence

from sqlmodel import Session, col, select

from mappings.fhir.provenance import SourceMessage
from radflow.model import Order
from radflow.order import State
from radflow.store.messages import LinkKind, MessageState
from radflow.store.tables import Message, MessageLink, OrderRow, StudyRow


def messages_of(session: Session, order_key: str) -> list[SourceMessage]:
    """The messages that the order has become what it is by, first come first; none that are pruned."""
    query = (
        select(Message.control_id, Message.sender, Message.message_type, Message.received_at)
        .join(MessageLink, col(MessageLink.message_id) == col(Message.id))
        .where(
            MessageLink.kind == LinkKind.ORDER,
            MessageLink.value == order_key,
            Message.state == MessageState.PROCESSED,
        )
        .order_by(col(Message.id))
    )
    return [SourceMessage(*row) for row in session.exec(query)]


def fellows_of(session: Session, order: Order, studies: Collection[str]) -> Sequence[tuple[Order, State]]:
    """The other orders of the same patient that these studies (by UID) fulfil too, by their keys."""
    row = session.get_one(OrderRow, order.key)
    shared = select(StudyRow.order_key).where(col(StudyRow.study_instance_uid).in_(studies))
    query = select(OrderRow).where(
        col(OrderRow.key).in_(shared),
        OrderRow.site == order.site,
        OrderRow.patient_id == row.patient_id,
        OrderRow.key != order.key,
    )
    found = session.exec(query.order_by(col(OrderRow.key)))
    return [(Order.model_validate(one.document), State(one.state)) for one in found]

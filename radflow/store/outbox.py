"""What is sent to receivers: written before it is sent, so that a repeat bears the same MSH-10."""

from datetime import datetime

from sqlmodel import Session, select

from radflow.store.tables import OutboxMessage


def queue(
    session: Session, *, order_key: str, destination: str, control_id: str, payload: bytes, now: datetime
) -> OutboxMessage:
    """Put a message in the outbox; the one already there under this control id is returned as it is."""
    query = select(OutboxMessage).where(
        OutboxMessage.destination == destination, OutboxMessage.control_id == control_id
    )
    row = session.exec(query).one_or_none()
    if row is None:
        row = OutboxMessage(
            order_key=order_key, destination=destination, control_id=control_id, payload=payload,
            state="queued", created_at=now,
        )  # fmt: skip
        session.add(row)
        session.flush()
    return row


def answered(session: Session, message_id: int, *, state: str, answer: str, now: datetime) -> None:
    """Note what came of an attempt: `sent`, `parked` by the receiver, or still `queued`."""
    row = session.get_one(OutboxMessage, message_id)
    row.state, row.answer, row.attempts = state, answer, row.attempts + 1
    row.sent_at = now if state == "sent" else None
    session.add(row)

"""What is sent to destinations: written before it is sent, so that a repeat bears the same MSH-10."""

from datetime import datetime
from enum import StrEnum

from sqlmodel import Session, select

from radflow.store.tables import OutboxMessage


class QueueState(StrEnum):
    """What has become of a message in the outbox."""

    QUEUED = "queued"
    SENT = "sent"
    PARKED = "parked"
    """The receiver has refused it; a person has to look at it."""


def queue(
    session: Session,
    *,
    site: str,
    order_key: str,
    destination: str,
    message_type: str,
    control_id: str,
    payload: bytes,
    now: datetime,
) -> OutboxMessage:
    """Put a message in the outbox; the one already there under this control id is returned as it is."""
    query = select(OutboxMessage).where(
        OutboxMessage.site == site,
        OutboxMessage.destination == destination,
        OutboxMessage.control_id == control_id,
    )
    row = session.exec(query).one_or_none()
    if row is None:
        row = OutboxMessage(
            site=site, order_key=order_key, queue=order_key, destination=destination, control_id=control_id,
            message_type=message_type, payload=payload, state=QueueState.QUEUED, created_at=now,
        )  # fmt: skip
        session.add(row)
        session.flush()
    return row


def answered(session: Session, message_id: int, *, state: QueueState, answer: str, now: datetime) -> None:
    """Note what came of an attempt."""
    row = session.get_one(OutboxMessage, message_id)
    row.state, row.answer, row.attempts = state, answer, row.attempts + 1
    row.sent_at = now if state is QueueState.SENT else None
    session.add(row)

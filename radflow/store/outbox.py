"""What is sent to destinations: written before it is sent, so that a repeat bears the same MSH-10.

Each destination has its own queues, one for each patient: what is said of a patient goes out in the order
in which it came. Only the first unsent message of a queue is `queued`; those after it stand `behind`, so
that a look for what can be sent costs what can be sent, however much waits.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Session, col, func, select

from radflow.model import Identifier
from radflow.store import orders
from radflow.store.tables import OutboxMessage


class QueueState(StrEnum):
    """What has become of a message in the outbox."""

    QUEUED = "queued"
    """It may go out."""
    BEHIND = "behind"
    """An earlier message of its patient has to go first."""
    SENT = "sent"
    """The receiver has acknowledged it."""
    PARKED = "parked"
    """The receiver has refused it; a person has to look at it."""
    SKIPPED = "skipped"
    """A person has decided that it is not sent; `answer` says who and why."""


UNSENT = (QueueState.QUEUED, QueueState.BEHIND, QueueState.PARKED)
"""What is still owed to a destination."""


class NotParked(LookupError):
    """There is no such message, or it is not parked."""


def queue_of_patient(identifier: Identifier | None) -> str:
    """The queue at each destination of the patient whom this names; empty, no queue, for what is of none."""
    return f"{identifier.assigner}|{identifier.value}" if identifier else ""


def queue(
    session: Session,
    *,
    site: str,
    destination: str,
    queue: str,
    message_type: str,
    control_id: str,
    payload: bytes,
    now: datetime,
    order_key: str | None = None,
    message_id: int | None = None,
    awaited: bool = False,
) -> OutboxMessage:
    """Put a message in the outbox; the one already there is returned as it is.

    It is known by its control id: one of radflow's own by that alone, one that is passed on together
    with the message it came as.

    Args:
        queue: what goes out in the order in which it came: the patient; empty for what is of none.
        message_type: MSH-9.1 ^ MSH-9.2.
        control_id: MSH-10.
        order_key: the order that the message speaks of.
        message_id: the message that is passed on, where it is not one of radflow's own.
        awaited: the order waits for it to be delivered, and is woken when it is, or is refused.
    """
    _hold(session, site, destination, queue)
    known = select(OutboxMessage).where(
        OutboxMessage.site == site,
        OutboxMessage.destination == destination,
        OutboxMessage.control_id == control_id,
        col(OutboxMessage.message_id).is_not_distinct_from(message_id),
    )
    row = session.exec(known).one_or_none()
    if row is None:
        behind = bool(queue) and _first(session, site, destination, queue, UNSENT) is not None
        row = OutboxMessage(
            site=site, destination=destination, queue=queue, order_key=order_key, message_id=message_id,
            message_type=message_type, control_id=control_id, payload=payload, awaited=awaited,
            state=QueueState.BEHIND if behind else QueueState.QUEUED, created_at=now,
        )  # fmt: skip
        session.add(row)
        session.flush()
    return row


def join(session: Session, site: str, destination: str, queues: Collection[str], into: str) -> None:
    """Put what waits in these queues of a destination into this one, as if it had always been one queue.

    So after a merge what was said of the retired patient still goes before what is said of the survivor.
    """
    for name in sorted({*queues, into}):
        _hold(session, site, destination, name)
    waiting = select(OutboxMessage).where(
        OutboxMessage.site == site,
        OutboxMessage.destination == destination,
        col(OutboxMessage.queue).in_({*queues, into}),
        col(OutboxMessage.state).in_(UNSENT),
    )
    rows = session.exec(waiting.order_by(col(OutboxMessage.id)).with_for_update()).all()
    for row in rows:
        row.queue = into
        if row.state != QueueState.PARKED:
            row.state = QueueState.QUEUED if row is rows[0] else QueueState.BEHIND


def sendable(session: Session, site: str, destination: str, limit: int) -> Sequence[OutboxMessage]:
    """The messages that may go out now: the first of each queue, and all that are of no patient.

    Oldest first, but after those that have failed less often: one that a receiver never answers must not
    stand in the way of the others.
    """
    query = select(OutboxMessage).where(
        OutboxMessage.site == site,
        OutboxMessage.destination == destination,
        OutboxMessage.state == QueueState.QUEUED,
    )
    return session.exec(query.order_by(col(OutboxMessage.attempts), col(OutboxMessage.id)).limit(limit)).all()


def sent(session: Session, message_id: int, *, answer: str, now: datetime) -> None:
    """Note that the receiver has acknowledged the message; the next one of its queue may go."""
    row = _concluded(session, message_id, now)
    if row.state not in (QueueState.QUEUED, QueueState.BEHIND):
        # Noted already, by this sender or by one that was quicker.
        return
    # One that has come to stand behind another, while it was on its way, is sent all the same.
    row.state, row.answer, row.attempts, row.sent_at = QueueState.SENT, answer, row.attempts + 1, now
    _let_next_go(session, row)


def parked(session: Session, message_id: int, *, answer: str, now: datetime) -> None:
    """Note that the receiver has refused the message; those behind it wait."""
    row = _concluded(session, message_id, now)
    if row.state == QueueState.QUEUED:
        row.state, row.answer, row.attempts = QueueState.PARKED, answer, row.attempts + 1


def not_sent(session: Session, message_id: int, *, answer: str) -> None:
    """Note that the receiver could not be reached; the message stays queued."""
    row = _locked(session, message_id)
    row.answer, row.attempts = answer, row.attempts + 1


def parked_at(session: Session, site: str, destination: str) -> Sequence[OutboxMessage]:
    """What a destination has refused, oldest first."""
    query = select(OutboxMessage).where(
        OutboxMessage.site == site,
        OutboxMessage.destination == destination,
        OutboxMessage.state == QueueState.PARKED,
    )
    return session.exec(query.order_by(col(OutboxMessage.id))).all()


def parked_of_order(session: Session, order_key: str) -> Sequence[OutboxMessage]:
    """What has been refused of an order, oldest first."""
    query = select(OutboxMessage).where(
        OutboxMessage.order_key == order_key, OutboxMessage.state == QueueState.PARKED
    )
    return session.exec(query.order_by(col(OutboxMessage.id))).all()


def resend(session: Session, message_id: int) -> OutboxMessage:
    """Send a parked message once more, under the same MSH-10.

    Raises:
        NotParked: there is no such parked message.
    """
    row = _parked(session, message_id)
    row.state, row.attempts = QueueState.QUEUED, 0
    return row


def send_again(session: Session, order_key: str) -> list[OutboxMessage]:
    """Send the order's last message to each destination once more, under the same MSH-10; those that it is.

    What is still waiting to be sent is left as it is.
    """
    last: dict[str, OutboxMessage] = {}
    for row in session.exec(select(OutboxMessage).where(OutboxMessage.order_key == order_key)):
        last[row.destination] = max(row, last.get(row.destination, row), key=lambda one: one.id or 0)
    again = [row for row in last.values() if row.state not in (QueueState.QUEUED, QueueState.BEHIND)]
    for row in again:
        _hold(session, row.site, row.destination, row.queue)
        session.refresh(row, with_for_update=True)
        parked = row.state == QueueState.PARKED
        before = None if parked else _first(session, row.site, row.destination, row.queue, UNSENT)
        row.state = QueueState.BEHIND if row.queue and before else QueueState.QUEUED
        row.attempts, row.sent_at = 0, None
        session.flush()
    return again


def skip(session: Session, message_id: int, *, by: str, reason: str, now: datetime) -> OutboxMessage:
    """Give up a parked message, on a person's word; the next one of its queue may go.

    Args:
        by: who has decided it.
        reason: why, free of patient data; both are kept in `answer`, after what the receiver said.

    Raises:
        NotParked: there is no such parked message.
    """
    row = _parked(session, message_id)
    _concluded(session, message_id, now)
    row.state, row.answer = QueueState.SKIPPED, f"{row.answer}; skipped by {by}: {reason}"
    _let_next_go(session, row)
    return row


def of_order(session: Session, order_key: str, control_ids: Collection[str]) -> Sequence[OutboxMessage]:
    """The order's messages with these control ids, at whichever destination."""
    query = select(OutboxMessage).where(
        OutboxMessage.order_key == order_key, col(OutboxMessage.control_id).in_(control_ids)
    )
    return session.exec(query.order_by(col(OutboxMessage.id))).all()


def _hold(session: Session, site: str, destination: str, queue: str) -> None:
    """Have the queue alone until the transaction ends, so that who comes last sees who stands before.

    SQLite has one writer anyway.
    """
    if queue and session.get_bind().dialect.name == "postgresql":
        name = "\x1f".join((site, destination, queue))
        session.exec(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0)))).one()


def _concluded(session: Session, message_id: int, now: datetime) -> OutboxMessage:
    """The message, about to be sent, refused or skipped; an order that awaits it is told.

    The order is locked before the queue, as the intake does it.
    """
    row = session.get_one(OutboxMessage, message_id)
    if row.awaited and row.order_key:
        orders.nudge(session, row.order_key, now)
    return _locked(session, message_id)


def _locked(session: Session, message_id: int) -> OutboxMessage:
    row = session.get_one(OutboxMessage, message_id)
    _hold(session, row.site, row.destination, row.queue)
    session.refresh(row, with_for_update=True)
    return row


def _parked(session: Session, message_id: int) -> OutboxMessage:
    row = session.get(OutboxMessage, message_id)
    if row is None or row.state != QueueState.PARKED:
        raise NotParked(message_id)
    return _locked(session, message_id)


def _first(
    session: Session, site: str, destination: str, queue: str, states: Sequence[QueueState]
) -> OutboxMessage | None:
    query: Any = select(OutboxMessage).where(
        OutboxMessage.site == site,
        OutboxMessage.destination == destination,
        OutboxMessage.queue == queue,
        col(OutboxMessage.state).in_(states),
    )
    found: OutboxMessage | None = session.exec(query.order_by(col(OutboxMessage.id)).limit(1)).first()
    return found


def _let_next_go(session: Session, row: OutboxMessage) -> None:
    if not row.queue:
        return
    session.flush()
    following = _first(session, row.site, row.destination, row.queue, UNSENT)
    if following and following.state == QueueState.BEHIND:
        following.state = QueueState.QUEUED

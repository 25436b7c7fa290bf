"""Replays and repairs: messages are looked at once more, or others stand in their place."""

import hashlib
import re
from collections.abc import Collection
from datetime import datetime

from sqlmodel import Session, col, select, update

from mappings.hl7.acceptance import Verdict
from radflow.store.messages import MessageState
from radflow.store.tables import Message

REPLAYABLE = (
    MessageState.PROCESSED,
    MessageState.WAITING,
    MessageState.FILTERED,
    MessageState.QUARANTINED,
)
"""What is received is looked at anyway, and in the place of a repaired message stands its repair."""

_LONGEST = 200
"""Characters of a header field that are kept as a column, as the listener does."""


class CannotRepair(ValueError):
    """There is no repairing this message, or not so; the text says why, free of patient data."""


def requeue(session: Session, message_ids: Collection[int]) -> int:
    """Have the intake look at these messages once more; how many of them can be replayed."""
    query = (
        update(Message)
        .where(col(Message.id).in_(message_ids), col(Message.state).in_(REPLAYABLE))
        .values(state=MessageState.RECEIVED, reason="", processed_at=None)
    )
    return session.exec(query).rowcount


def repairable(session: Session, message_id: int) -> Message | None:
    """The message, for this transaction alone; None when there is no such message.

    Raises:
        CannotRepair: it is repaired already, or nobody has looked at it yet.
    """
    message = session.get(Message, message_id, with_for_update=True)
    if message and message.state == MessageState.REPAIRED:
        later = session.exec(select(Message.id).where(Message.repairs == message_id)).first()
        raise CannotRepair(f"Message {message_id} is repaired already: repair message {later}.")
    if message and message.state not in REPLAYABLE:
        raise CannotRepair(f"Message {message_id} is {message.state}: wait until it has been looked at.")
    return message


def repair(
    session: Session, original: Message, raw: bytes, verdict: Verdict, *, author: str, now: datetime
) -> Message:
    """Receive `raw` in the place of `original`, whose own bytes stay as they came.

    Args:
        author: the person who has repaired it.

    Raises:
        CannotRepair: the message can still not be taken, or is there already.
    """
    if verdict.refusal:
        raise CannotRepair(f"It can still not be taken: {verdict.refusal.reason}")
    made = Message(
        received_at=now, site=original.site, peer=f"repair:{author}", sender=original.sender,
        control_id=_column(verdict.header("MSH-10")), message_type=_column(verdict.message_type),
        version=_column(verdict.header("MSH-12")), raw=raw, digest=hashlib.sha256(raw).hexdigest(),
        state=MessageState.RECEIVED, ack_code=verdict.ack_code, repairs=original.id,
    )  # fmt: skip
    same = select(Message.id).where(
        Message.control_id == made.control_id, Message.sender == made.sender,
        Message.site == made.site, Message.digest == made.digest,
    )  # fmt: skip
    if there := session.exec(same).first():
        raise CannotRepair(f"Nothing to repair: these are the very bytes of message {there}.")
    session.add(made)
    session.flush()
    original.state, original.processed_at = MessageState.REPAIRED, now
    original.reason = f"Message {made.id} stands in its place."
    session.add(original)
    return made


def _column(value: str) -> str:
    return re.sub(r"[\x00-\x1f\ud800-\udfff]", "", value)[:_LONGEST]

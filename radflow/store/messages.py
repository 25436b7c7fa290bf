"""The inbox: raw messages as they came, what has become of each, and the quarantine."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, case
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col, delete, select

from radflow.store.tables import Message, MessageLink


class MessageState(StrEnum):
    """What has become of a message."""

    RECEIVED = "received"
    """Acknowledged with AA; the intake has not come to it yet."""
    PROCESSED = "processed"
    WAITING = "waiting"
    """For an order that is not known yet; tried again once it is placed."""
    QUARANTINED = "quarantined"
    """It cannot be taken, `reason` says why; kept for a person to look at and replay."""


class LinkKind(StrEnum):
    """How a message is bound to what it names."""

    ORDER = "order"
    """The key of an order that it has placed, changed or reported."""
    AWAITS = "awaits"
    """A number that the order it waits for may be called by."""
    PATIENT = "patient"
    """A patient identifier (PID-3.1, MRG-1.1)."""


_TABLE = SQLModel.metadata.tables["messages"]


_AT_FIRST: dict[str, Any] = {"copies": 1, "processed_at": None, "repairs": None}


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A message to be kept: the columns of `Message` that are known when it comes.

    Not a `Message` itself, which takes ten times as long to make as all else before its ACK.
    """

    received_at: datetime
    site: str
    peer: str
    sender: str
    control_id: str
    message_type: str
    version: str
    raw: bytes
    digest: str
    state: MessageState
    ack_code: str
    reason: str = ""


def keep(session: Session, batch: Sequence[Arrival]) -> None:
    """Insert messages, all in one go. One that is there already is counted, and not received anew.

    Unless it was refused and would be taken now: the sender is told so, then it must be received.
    """
    dialect: Any = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    insert = dialect.insert(_TABLE)
    taken_now = and_(_TABLE.c.ack_code != "AA", insert.excluded.ack_code == "AA")
    changed = {
        name: case((taken_now, insert.excluded[name]), else_=_TABLE.c[name])
        for name in ("state", "ack_code", "reason")
    }
    upsert = insert.on_conflict_do_update(
        index_elements=["site", "sender", "control_id", "digest"],
        set_={"copies": _TABLE.c.copies + 1, **changed},
    )
    session.connection().execute(upsert, [{**vars(arrival), **_AT_FIRST} for arrival in batch])


def next_received(session: Session, limit: int) -> Sequence[int]:
    """Ids of messages that the intake has to look at, in the order they came."""
    query = (
        select(Message.id)
        .where(Message.state == MessageState.RECEIVED)
        .order_by(col(Message.id))
        .limit(limit)
    )
    return [message_id for message_id in session.exec(query) if message_id is not None]


def claim(session: Session, message_id: int) -> Message | None:
    """The message, for this transaction alone; None when someone else has dealt with it."""
    message = session.get(Message, message_id, with_for_update=True)
    return message if message and message.state == MessageState.RECEIVED else None


def get(session: Session, message_id: int) -> Message | None:
    return session.get(Message, message_id)


def mark_processed(session: Session, message: Message, order_keys: Collection[str], now: datetime) -> None:
    """Note that the message's orders are as it says."""
    _move(session, message, MessageState.PROCESSED, "", now)
    link(session, message, LinkKind.ORDER, order_keys)


def mark_waiting(
    session: Session, message: Message, reason: str, numbers: Collection[str], now: datetime
) -> None:
    """Let the message wait for an order that bears one of these numbers."""
    _move(session, message, MessageState.WAITING, reason, now)
    link(session, message, LinkKind.AWAITS, numbers)


def quarantine(session: Session, message: Message, reason: str, now: datetime) -> None:
    """Set the message aside; `reason` is in words free of patient data."""
    _move(session, message, MessageState.QUARANTINED, reason, now)


def requeue(session: Session, message_id: int) -> Message | None:
    """Have the intake look at the message once more; None when there is no such message."""
    message = session.get(Message, message_id, with_for_update=True)
    if message:
        _move(session, message, MessageState.RECEIVED, "", None)
    return message


def requeue_waiting_for(session: Session, site: str, numbers: Collection[str]) -> None:
    """Have the intake look once more at the site's messages that wait for one of these numbers."""
    awaiting = select(MessageLink.message_id).where(
        MessageLink.kind == LinkKind.AWAITS, col(MessageLink.value).in_(numbers)
    )
    query = select(Message).where(
        Message.site == site, Message.state == MessageState.WAITING, col(Message.id).in_(awaiting)
    )
    for message in session.exec(query.with_for_update()):
        _move(session, message, MessageState.RECEIVED, "", None)


def link(session: Session, message: Message, kind: LinkKind, values: Collection[str]) -> None:
    """Bind the message to these values; what it was bound to before in this way is forgotten."""
    assert message.id is not None
    session.exec(
        delete(MessageLink).where(col(MessageLink.message_id) == message.id, col(MessageLink.kind) == kind)
    )
    session.add_all(MessageLink(message_id=message.id, kind=kind, value=value) for value in set(values))


def links_of(session: Session, message_ids: Collection[int | None], kind: LinkKind) -> dict[int, list[str]]:
    """What these messages are bound to in this way."""
    query = select(MessageLink).where(col(MessageLink.message_id).in_(message_ids), MessageLink.kind == kind)
    found: dict[int, list[str]] = {}
    for one in session.exec(query.order_by(MessageLink.value)):
        found.setdefault(one.message_id, []).append(one.value)
    return found


def search(
    session: Session,
    *,
    state: str = "",
    message_type: str = "",
    site: str = "",
    limit: int = 50,
) -> Sequence[Message]:
    """Messages with these properties, newest first."""
    query = select(Message).order_by(col(Message.id).desc()).limit(limit)
    wanted = ((Message.state, state), (Message.message_type, message_type), (Message.site, site))
    return session.exec(query.where(*(column == value for column, value in wanted if value))).all()


def _move(
    session: Session, message: Message, state: MessageState, reason: str, processed_at: datetime | None
) -> None:
    message.state, message.reason, message.processed_at = state, reason, processed_at
    session.add(message)

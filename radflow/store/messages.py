"""The inbox: raw messages as they came, what has become of each, and the quarantine."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import Dialect, Table, and_, case
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import defer
from sqlmodel import Session, SQLModel, col, select, update

from mappings.hl7.ack_modes import REUSED_CONTROL_ID
from radflow.store.control_ids import AcceptedIds, Kept, Key
from radflow.store.tables import Message, MessageLink


class MessageState(StrEnum):
    """What has become of a message."""

    RECEIVED = "received"
    """Acknowledged with AA; the intake has not come to it yet."""
    PROCESSED = "processed"
    WAITING = "waiting"
    """For an order that is not known yet; tried again once it is placed."""
    FILTERED = "filtered"
    """A rule of the site says that it is not wanted, `reason` says which."""
    REPAIRED = "repaired"
    """A person has made another message from it, which stands in its place."""
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
_LINKS = SQLModel.metadata.tables["message_links"]
_RAW: Any = Message.raw

_LONGEST = 200
"""Characters of a value that are kept: PostgreSQL indexes rows of 2,704 bytes at most."""


_AT_FIRST: dict[str, Any] = {"copies": 1, "sent_at": None, "processed_at": None, "repairs": None}


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
    unique_since: datetime | None = None
    """It is quarantined if its sender had another message with its MSH-10 accepted from then on."""

    @property
    def key(self) -> Key:
        return self.control_id, self.sender, self.site

    def row(self, kept: Kept) -> dict[str, Any]:
        """Its columns."""
        columns = {**vars(self), **_AT_FIRST}
        del columns["unique_since"]
        if kept is Kept.REUSED:
            refusal = REUSED_CONTROL_ID
            columns |= {
                "state": MessageState.QUARANTINED, "ack_code": refusal.ack_code, "reason": refusal.reason,
            }  # fmt: skip
        return columns


def keep(session: Session, batch: Sequence[Arrival]) -> list[Kept]:
    """Insert messages, all in one go; what each of them is. One that is there already is counted, no more.

    Unless it was refused and would be taken now: the sender is told so, then it must be received.
    """
    accepted = AcceptedIds(session, {arrival.key for arrival in batch})
    found = [_meet(accepted, arrival) for arrival in batch]
    rows = [arrival.row(kept) for arrival, kept in zip(batch, found, strict=True)]
    connection = session.connection()
    keeping = _keeping(connection.dialect)
    connection.exec_driver_sql(keeping.statement, [keeping.bound(row) for row in rows])
    return found


@dataclass(frozen=True)
class _Keeping:
    """The statement of `keep` as the driver takes it.

    SQLAlchemy would compile it for every group and look at each value of each row, which takes longer than
    all else before the ACK.
    """

    statement: str
    constants: Mapping[str, Any]
    time: Callable[[datetime], Any]
    """A time as the driver takes it."""

    def bound(self, row: dict[str, Any]) -> dict[str, Any]:
        return {**row, **self.constants, "received_at": self.time(row["received_at"])}


@cache
def _keeping(dialect: Dialect) -> _Keeping:
    is_postgresql = dialect.name == "postgresql"
    module: Any = postgresql if is_postgresql else sqlite
    # Inline: nobody asks for the ids.
    insert = module.insert(_TABLE).inline()
    taken_now = and_(_TABLE.c.ack_code != "AA", insert.excluded.ack_code == "AA")
    changed = {
        name: case((taken_now, insert.excluded[name]), else_=_TABLE.c[name])
        for name in ("state", "ack_code", "reason")
    }
    upsert = insert.on_conflict_do_update(
        index_elements=["control_id", "sender", "site", "digest"],
        set_={"copies": _TABLE.c.copies + 1, **changed},
    )
    columns = [column.name for column in _TABLE.c if column.name != "id"]
    named = module.dialect(paramstyle="pyformat" if is_postgresql else "named")
    written = upsert.compile(dialect=named, column_keys=columns)
    constants = {name: bind.value for name, bind in written.binds.items() if name not in columns}
    as_it_is: Callable[[Any], Any] = lambda value: value  # noqa: E731
    time = _TABLE.c.received_at.type.dialect_impl(dialect).bind_processor(dialect) or as_it_is
    return _Keeping(str(written), constants, time)


def _meet(accepted: AcceptedIds, arrival: Arrival) -> Kept:
    if arrival.ack_code == "AA":
        return accepted.meet(arrival.key, arrival.digest, arrival.received_at, arrival.unique_since)
    return Kept.AGAIN if accepted.has_accepted(arrival.key, arrival.digest) else Kept.NEW


def control_ids(session: Session, site: str, sender: str, named: Collection[str]) -> set[str]:
    """Those of these MSH-10, or names of resources, that the sender's messages bear already."""
    query = select(Message.control_id).where(
        col(Message.control_id).in_(named), Message.sender == sender, Message.site == site
    )
    return set(session.exec(query))


def next_received(session: Session, limit: int) -> Sequence[int]:
    """Ids of messages that the intake has to look at, in the order they came."""
    query = (
        select(Message.id)
        .where(Message.state == MessageState.RECEIVED)
        .order_by(col(Message.id))
        .limit(limit)
    )
    return [message_id for message_id in session.exec(query) if message_id is not None]


def claim(session: Session, message_ids: Collection[int]) -> Sequence[Message]:
    """Those of them that are still to be looked at, for this transaction alone, in the order they came.

    Without their bytes, which whoever claims them has read already.
    """
    query = select(Message).where(col(Message.id).in_(message_ids), Message.state == MessageState.RECEIVED)
    unread = query.options(defer(_RAW)).order_by(col(Message.id))
    return session.exec(unread.with_for_update()).all()


def read(session: Session, message_ids: Collection[int]) -> Sequence[Message]:
    """These messages with their bytes, in the order they came."""
    return session.exec(
        select(Message).where(col(Message.id).in_(message_ids)).order_by(col(Message.id))
    ).all()


def get(session: Session, message_id: int) -> Message | None:
    return session.get(Message, message_id)


def mark_processed(
    session: Session, message: Message, order_keys: Collection[str], now: datetime, note: str = ""
) -> None:
    """Note that the message's orders are as it says; `note` says why it has changed nothing, if so."""
    _move(session, message, MessageState.PROCESSED, note, now)
    link(session, {_id(message): order_keys}, LinkKind.ORDER)


def mark_all_processed(session: Session, order_keys: Mapping[int, Collection[str]], now: datetime) -> None:
    """Note of many messages at once that they are done, and which orders each of them has changed."""
    done = update(Message).where(col(Message.id).in_(order_keys))
    session.exec(done.values(state=MessageState.PROCESSED, reason="", processed_at=now))
    link(session, order_keys, LinkKind.ORDER)


def mark_filtered(session: Session, message: Message, reason: str, now: datetime) -> None:
    """Note that the site does not want the message; `reason` names its rule."""
    _move(session, message, MessageState.FILTERED, reason, now)


def mark_waiting(
    session: Session, message: Message, reason: str, numbers: Collection[str], now: datetime
) -> None:
    """Let the message wait for an order that bears one of these numbers."""
    _move(session, message, MessageState.WAITING, reason, now)
    link(session, {_id(message): numbers}, LinkKind.AWAITS)


def quarantine(session: Session, message: Message, reason: str, now: datetime) -> None:
    """Set the message aside; `reason` is in words free of patient data."""
    _move(session, message, MessageState.QUARANTINED, reason, now)


def requeue_waiting_for(session: Session, site: str, numbers: Collection[str]) -> None:
    """Have the intake look once more at the site's messages that wait for one of these numbers."""
    awaiting = select(MessageLink.message_id).where(
        MessageLink.kind == LinkKind.AWAITS, col(MessageLink.value).in_(set(map(_storable, numbers)))
    )
    query = select(Message).where(
        Message.site == site, Message.state == MessageState.WAITING, col(Message.id).in_(awaiting)
    )
    for message in session.exec(query.with_for_update()):
        _move(session, message, MessageState.RECEIVED, "", None)


def link(session: Session, values: Mapping[int, Collection[str]], kind: LinkKind) -> None:
    """Bind each message to these values too: a replay that changes nothing unbinds nothing."""
    links = [
        {"message_id": message_id, "kind": kind, "value": value}
        for message_id, some in values.items()
        for value in set(map(_storable, some)) - {""}
    ]
    if links:
        insert = _insert(session, _LINKS)
        session.connection().execute(insert.on_conflict_do_nothing(), links)


def links_of(session: Session, message_ids: Collection[int | None], kind: LinkKind) -> dict[int, list[str]]:
    """What these messages are bound to in this way."""
    query = select(MessageLink).where(col(MessageLink.message_id).in_(message_ids), MessageLink.kind == kind)
    found: dict[int, list[str]] = {}
    for one in session.exec(query.order_by(MessageLink.value)):
        found.setdefault(one.message_id, []).append(one.value)
    return found


def _insert(session: Session, table: Table) -> Any:
    """An INSERT that may meet rows which are there already."""
    dialect: Any = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def _storable(value: str) -> str:
    """As text that both databases take."""
    return re.sub(r"[\x00-\x1f\ud800-\udfff]", "", value)[:_LONGEST]


def _id(message: Message) -> int:
    assert message.id is not None
    return message.id


def _move(
    session: Session, message: Message, state: MessageState, reason: str, processed_at: datetime | None
) -> None:
    message.state, message.reason, message.processed_at = state, reason, processed_at
    session.add(message)

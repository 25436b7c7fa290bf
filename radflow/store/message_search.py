"""Finding messages: by what their columns and links say, never by reading them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import defer
from sqlmodel import Session, and_, col, or_, select

from radflow.store.messages import LinkKind, MessageState
from radflow.store.tables import Message, MessageLink, OrderRow

WITH_REASON = (MessageState.QUARANTINED, MessageState.WAITING, MessageState.FILTERED)
"""States whose messages say why they are in them."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which messages are looked for. What is left empty is not asked for."""

    since: datetime | None = None
    until: datetime | None = None
    """Received at `since` or later, and before `until`."""
    message_type: str = ""
    """MSH-9.1 ^ MSH-9.2, or a glob such as `ORU^*`."""
    sender: str = ""
    """MSH-3 | MSH-4, or a glob such as `EHR|*`."""
    control_id: str = ""
    """MSH-10."""
    site: str = ""
    state: str = ""
    error: str = ""
    """Text in the reason, in upper or lower case."""
    patient: str = ""
    """A patient identifier (PID-3.1, MRG-1.1)."""
    order: str = ""
    """An order's key, placer, filler or accession number, or Study Instance UID."""
    sites: tuple[str, ...] = ()
    """Sites among whose orders `order` is looked for."""
    before: int | None = None
    """Only messages with a lower id: the page after this message."""


def search(session: Session, wanted: Wanted, limit: int = 50) -> Sequence[Message]:
    """The newest of these messages, newest first. Their bytes are left in the store."""
    query = select(Message).where(*_conditions(session, wanted)).options(defer(Message.raw))  # type: ignore[arg-type]
    return session.exec(query.order_by(col(Message.id).desc()).limit(limit)).all()


def ids(session: Session, wanted: Wanted, states: Collection[str]) -> list[int]:
    """The ids of all of these messages that are in one of these states, in the order in which they came."""
    query = select(Message.id).where(*_conditions(session, wanted), col(Message.state).in_(states))
    return [message_id for message_id in session.exec(query.order_by(col(Message.id))) if message_id]


def orders_named(session: Session, named: str, sites: Collection[str]) -> Sequence[OrderRow]:
    """The orders of these sites that are called so, by key, number or Study Instance UID."""
    at_sites = col(OrderRow.site).in_(sites)
    numbers = (OrderRow.placer_order_number, OrderRow.filler_order_number, OrderRow.accession_number)
    query = select(OrderRow).where(
        or_(
            OrderRow.key == named,
            OrderRow.study_instance_uid == named,
            # Each of these pairs is an index.
            *(and_(at_sites, number == named) for number in numbers),
        )
    )
    return session.exec(query).all()


def _conditions(session: Session, wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    equal: tuple[tuple[Any, str], ...] = (
        (Message.site, wanted.site),
        (Message.state, wanted.state),
        (Message.control_id, wanted.control_id),
    )
    yield from (column == value for column, value in equal if value)
    yield from (
        _matches(session, column, glob)
        for column, glob in (
            (col(Message.message_type), wanted.message_type),
            (col(Message.sender), wanted.sender),
        )
        if glob
    )
    if wanted.since:
        yield col(Message.received_at) >= wanted.since
    if wanted.until:
        yield col(Message.received_at) < wanted.until
    if wanted.before:
        yield col(Message.id) < wanted.before
    if wanted.error:
        yield col(Message.state).in_(WITH_REASON)
        yield col(Message.reason).icontains(wanted.error, autoescape=True)
    if wanted.patient:
        yield _linked(MessageLink.kind == LinkKind.PATIENT, MessageLink.value == wanted.patient)
    if wanted.order:
        yield _of_order(session, wanted)


def _matches(session: Session, column: Any, glob: str) -> ColumnElement[bool]:
    """Senders and types are few: a glob is resolved to those that there are, which the index then finds."""
    if not any(special in glob for special in "*?["):
        exact: ColumnElement[bool] = column == glob
        return exact
    found: ColumnElement[bool] = column.in_(
        [value for value in session.exec(select(column).distinct()) if fnmatchcase(value, glob)]
    )
    return found


def _of_order(session: Session, wanted: Wanted) -> ColumnElement[bool]:
    found = orders_named(session, wanted.order, wanted.sites)
    keys = {wanted.order} | {row.key for row in found}
    numbers = {wanted.order}
    for row in found:
        numbers |= {row.key, row.placer_order_number, row.filler_order_number}
        numbers |= {row.accession_number, row.study_instance_uid}
    by_number = and_(col(MessageLink.kind) == LinkKind.AWAITS, col(MessageLink.value).in_(numbers - {""}))
    if found:
        # Another site may call another order so.
        by_number = and_(by_number, _at_sites({row.site for row in found}))
    return _linked(
        or_(and_(col(MessageLink.kind) == LinkKind.ORDER, col(MessageLink.value).in_(keys)), by_number)
    )


def _at_sites(sites: Collection[str]) -> ColumnElement[bool]:
    return (
        select(Message.id)
        .where(col(Message.id) == col(MessageLink.message_id), col(Message.site).in_(sites))
        .exists()
    )


def _linked(*conditions: Any) -> ColumnElement[bool]:
    return col(Message.id).in_(select(MessageLink.message_id).where(*conditions))

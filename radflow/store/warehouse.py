"""What is to be written to the warehouse, and who writes a day of it: one at a time, so no row is lost."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, delete, func, select

from mappings.warehouse import Row
from radflow.model import Study
from radflow.store.tables import HistoricStudyRow, Message, OrderRow, WarehousePartition, WarehousePending

Row_ = TypeVar("Row_", WarehousePartition, WarehousePending)


def mark(session: Session, order_key: str, now: datetime) -> WarehousePending:
    """Say that the order's rows are to be written, whatever is being written now."""
    order = session.get_one(OrderRow, order_key)
    new = WarehousePending(
        order_key=order_key, site=order.site, day=day_of(order.created_at), marks=0, marked_at=now
    )
    row = _locked(session, new, order_key)
    row.marks += 1
    session.add(row)
    return row


def mark_changed(session: Session, site: str, after: datetime, now: datetime) -> int:
    """Say that all orders that have changed since then are to be written; returns how many."""
    changed = select(OrderRow.key).where(OrderRow.site == site, col(OrderRow.updated_at) >= after)
    keys = session.exec(changed).all()
    for key in keys:
        mark(session, key, now)
    return len(keys)


def is_pending(session: Session, order_key: str) -> bool:
    """Whether the order's rows are still to be written."""
    return session.get(WarehousePending, order_key) is not None


def pending(session: Session, site: str, day: date, limit: int) -> list[WarehousePending]:
    """Orders of a day whose rows are to be written."""
    query = select(WarehousePending).where(WarehousePending.site == site, WarehousePending.day == day)
    return list(session.exec(query.order_by(col(WarehousePending.order_key)).limit(limit)))


def pending_days(session: Session, site: str) -> Sequence[date]:
    """Days of the site on which something is to be written."""
    days = select(col(WarehousePending.day)).where(WarehousePending.site == site)
    return session.exec(days.distinct().order_by(col(WarehousePending.day))).all()


def written(session: Session, rows: Sequence[WarehousePending]) -> None:
    """Note that they are written; what was marked again meanwhile stays."""
    for row in rows:
        same = (col(WarehousePending.order_key) == row.order_key, col(WarehousePending.marks) == row.marks)
        session.exec(delete(WarehousePending).where(*same))


def take(session: Session, site: str, day: date, holder: str, now: datetime, lease: timedelta) -> bool:
    """Take the day to write it, or keep it; False while another one has it."""
    row = _locked(session, WarehousePartition(site=site, day=day), (site, day))
    if row.leased_by not in ("", holder) and row.leased_until and row.leased_until > now:
        return False
    row.leased_by, row.leased_until = holder, now + lease
    session.add(row)
    return True


def let_go(session: Session, site: str, day: date, holder: str) -> None:
    """Let others write the day."""
    row = session.get(WarehousePartition, (site, day), with_for_update=True)
    if row and row.leased_by == holder:
        row.leased_by, row.leased_until = "", None
        session.add(row)


def day_of(at: datetime) -> date:
    """The partition of this time: its UTC day."""
    return at.astimezone(UTC).date()


def days(session: Session, site: str, since: date | None, until: date | None) -> Iterator[date]:
    """Each day, both ends in the range, on which the site has orders, messages or historic studies."""
    day = since or date.min
    while (found := _next_day(session, site, day)) and (until is None or found <= until):
        yield found
        day = found + timedelta(days=1)


def order_keys(session: Session, site: str, day: date, after: str, limit: int) -> Sequence[str]:
    """Keys of the day's orders, in their order, from the one after this."""
    begin, end = _bounds(day)
    query = select(OrderRow.key).where(
        OrderRow.site == site, col(OrderRow.created_at) >= begin, col(OrderRow.created_at) < end,
        col(OrderRow.key) > after,
    )  # fmt: skip
    return session.exec(query.order_by(col(OrderRow.key)).limit(limit)).all()


def message_rows(session: Session, site: str, day: date, after: int, limit: int) -> list[Row]:
    """The day's messages as rows, without their content, from the one after this."""
    begin, end = _bounds(day)
    fields = (
        "received_at", "message_type", "version", "sender", "control_id", "state", "ack_code", "copies",
        "processed_at", "reason",
    )  # fmt: skip
    query = (
        select(Message.id, func.length(Message.raw), *(getattr(Message, name) for name in fields))
        .where(
            Message.site == site, col(Message.received_at) >= begin, col(Message.received_at) < end,
            col(Message.id) > after,
        )
        .order_by(col(Message.id))
        .limit(limit)
    )  # fmt: skip
    return [
        {
            "message_id": id_,
            "bytes": size,
            **{name: None if value == "" else value for name, value in zip(fields, values, strict=True)},
        }
        for id_, size, *values in session.exec(query)
    ]


def historic_studies(session: Session, site: str, day: date, after: str, limit: int) -> list[Study]:
    """The day's imported studies, in the order of their UIDs, from the one after this."""
    query = select(HistoricStudyRow.document).where(
        HistoricStudyRow.site == site, HistoricStudyRow.day == day,
        col(HistoricStudyRow.study_instance_uid) > after,
    )  # fmt: skip
    rows = session.exec(query.order_by(col(HistoricStudyRow.study_instance_uid)).limit(limit))
    return [Study.model_validate(document) for document in rows]


def _locked(session: Session, new: Row_, key: Any) -> Row_:
    """The row of this key, locked; made from `new` where there is none, also if another one makes it now."""
    row = session.get(type(new), key, with_for_update=True)
    if row is None:
        try:
            with session.begin_nested():
                session.add(new)
            return new
        except IntegrityError:
            row = session.get_one(type(new), key, with_for_update=True)
    return row


def _next_day(session: Session, site: str, day: date) -> date | None:
    """The first day with anything from this one on: three look-ups in an index."""
    begin, _ = _bounds(day)
    order = select(func.min(OrderRow.created_at)).where(
        OrderRow.site == site, col(OrderRow.created_at) >= begin
    )
    message = select(func.min(Message.received_at)).where(
        Message.site == site, col(Message.received_at) >= begin
    )
    firsts: list[datetime | None] = [session.exec(order).one(), session.exec(message).one()]
    days = [day_of(at) for at in firsts if at]
    historic = select(func.min(HistoricStudyRow.day)).where(
        HistoricStudyRow.site == site, HistoricStudyRow.day >= day
    )
    if first := session.exec(historic).one():
        days.append(first)
    return min(days, default=None)


def _bounds(day: date) -> tuple[datetime, datetime]:
    begin = datetime.combine(day, time(), UTC)
    return begin, begin + timedelta(days=1) if day < date.max else datetime.max.replace(tzinfo=UTC)

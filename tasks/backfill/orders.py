"""Which orders a backfill works on."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, time, timedelta

from sqlmodel import Session, col, select

from radflow.order import State
from radflow.store.tables import OrderRow
from tasks.backfill.parameters import Days


def order_keys(
    session: Session,
    what: Days,
    after: str,
    limit: int,
    *,
    modality: str = "",
    without: Collection[State] = (),
) -> Sequence[str]:
    """Keys of the orders that were received on these days, in their order, from the one after this."""
    query = select(OrderRow.key).where(OrderRow.site == what.site, col(OrderRow.key) > after)
    if what.since:
        query = query.where(col(OrderRow.created_at) >= datetime.combine(what.since, time(), UTC))
    if what.until:
        end = datetime.combine(what.until + timedelta(days=1), time(), UTC)
        query = query.where(col(OrderRow.created_at) < end)
    if modality:
        query = query.where(OrderRow.modality == modality)
    if without:
        query = query.where(col(OrderRow.state).not_in(without))
    return session.exec(query.order_by(col(OrderRow.key)).limit(limit)).all()

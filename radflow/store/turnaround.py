"""What the turnaround report counts: when each order reached each stage, read as a stream."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from mappings.turnaround import Journey
from radflow.order import State
from radflow.store.orders import STAGES
from radflow.store.tables import OrderEvent, OrderRow

_DOCUMENT: Any = OrderRow.document
_STAGE_OF = {event: stage for stage, events in STAGES.items() for event in events}


def journeys(
    session: Session, site: str, zone: ZoneInfo, since: date | None, until: date | None
) -> Iterator[Journey]:
    """The orders that were received on these local days, both ends included, without reading them whole."""
    columns: list[Any] = [
        OrderRow.key,
        OrderRow.modality,
        _DOCUMENT["priority"].as_string(),
        OrderRow.state,
        OrderEvent.event,
        OrderEvent.occurred_at,
    ]
    query = (
        select(*columns)
        .select_from(OrderRow)
        .join(OrderEvent)
        .where(OrderRow.site == site, col(OrderEvent.event).in_(_STAGE_OF))
        .order_by(col(OrderRow.key), col(OrderEvent.id))
        .execution_options(yield_per=5_000)
    )
    if since:
        query = query.where(col(OrderRow.created_at) >= _begin(since, zone))
    if until:
        query = query.where(col(OrderRow.created_at) < _begin(until + timedelta(days=1), zone))
    for (_, modality, priority, state), lines in groupby(session.exec(query), key=lambda line: line[:4]):
        reached: dict[str, datetime] = {}
        for *_, event, occurred_at in lines:
            reached.setdefault(_STAGE_OF[event], occurred_at)
        yield Journey(site, modality, priority or "", State(state), reached)


def _begin(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)

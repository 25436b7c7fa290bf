"""Stores in which many orders wait."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlmodel import Session, SQLModel, col, func, insert, select

from mappings.dicom.worklist import worklist_items
from radflow.model import CodedConcept, Identifier, Order, Patient, PersonName, ScheduledProcedureStep
from radflow.order import Event, order_key
from radflow.store import orders, worklist
from radflow.store.engine import Store
from radflow.store.tables import OrderEvent, OrderRow, WorklistItem

A_DAY = 1_000
"""Orders that are scheduled for the same day."""
FIRST_DAY = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

_FIRST = 1_000_000
"""Numbers have seven digits, so that a copy is as long as what it is made of."""
_AT_ONCE = 2_000
"""Orders in one transaction."""
ZONE = ZoneInfo("UTC")


def wait(store: Store, site: str, count: int) -> None:
    """Have `count` orders wait in a store that has no others, as they are after their first leg: at rest.

    The first is made as every order is. The others are its rows with another number, day and key: made one
    by one, 100,000 of them would take longer than what is measured.
    """
    with store.write() as session:
        there = session.exec(select(func.count()).select_from(OrderRow)).one()
        if not there:
            _place(session, the_order(site, 0))
    with store.read() as session:
        key = the_order(site, 0).key
        events = select(OrderEvent).where(OrderEvent.order_key == key).order_by(col(OrderEvent.id))
        templates = [
            session.get_one(OrderRow, key),
            *session.exec(events),
            session.exec(select(WorklistItem).where(WorklistItem.order_key == key)).one(),
        ]
    for first in range(max(there, 1), count, _AT_ONCE):
        with store.write() as session:
            numbers = range(first, min(first + _AT_ONCE, count))
            for template in templates:
                session.execute(insert(type(template)), list(_copies(template, site, numbers)))


def the_order(site: str, number: int) -> Order:
    """The order of this number, counted from 0."""
    digits = str(_FIRST + number)
    return Order(
        key=order_key(site, "EHR", f"P{digits}"),
        site=site,
        placer_order_number=Identifier(value=f"P{digits}", assigner="EHR"),
        accession_number=f"A{digits}",
        study_instance_uid=f"1.2.826.0.1.3680043.8.498.{digits}",
        requested_procedure_id=f"RP{digits}",
        requested_at=_due(number),
        procedure=CodedConcept(code="CTCHEST", display="CT chest without contrast", system="L"),
        patient=Patient(
            identifiers=(Identifier(value="100201", assigner="HOSPITAL"),),
            name=PersonName(family="Quendel", given="Ada"),
        ),
        steps=(ScheduledProcedureStep(step_id=f"S{digits}", modality="CT", start=_due(number)),),
    )


def _due(number: int) -> datetime:
    return FIRST_DAY + timedelta(days=number // A_DAY)


def _place(session: Session, order: Order) -> None:
    row = orders.place(session, order, source="bench", occurred_at=FIRST_DAY, now=FIRST_DAY)
    worklist.put(session, order.key, order.site, worklist_items(order, ZONE))
    orders.record(session, order.key, Event.WORKLISTED, source="bench", occurred_at=FIRST_DAY, now=FIRST_DAY)
    row.wake_at = row.overdue_at = None


def _copies(template: SQLModel, site: str, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The columns of the first order's row, as they are for the orders of these numbers."""
    columns = template.model_dump(exclude={"id"})
    first = _facts(site, 0)
    for number in numbers:
        pairs = list(zip(first, _facts(site, number), strict=True))
        yield {name: _copied(value, pairs, _due(number) - FIRST_DAY) for name, value in columns.items()}


def _facts(site: str, number: int) -> Sequence[str]:
    """All in which two orders differ: key, number, and day as FHIR and as DICOM write it."""
    digits, day = str(_FIRST + number), _due(number)
    return order_key(site, "EHR", f"P{digits}"), digits, f"{day:%Y-%m-%d}", f"{day:%Y%m%d}"


def _copied(value: Any, pairs: Sequence[tuple[str, str]], later: timedelta) -> Any:
    match value:
        case str():
            for before, after in pairs:
                value = value.replace(before, after)
        case bytes():
            return _copied(value.decode("latin-1"), pairs, later).encode("latin-1")
        case dict() | list():
            return orjson.loads(_copied(orjson.dumps(value).decode(), pairs, later))
        case datetime():
            return value + later
    return value

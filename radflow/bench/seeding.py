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
from radflow.store.tables import OrderEvent, OrderRow, PatientIdentifier, PatientRow, WorklistItem

A_DAY = 1_000
"""Orders that are scheduled for the same day."""
FIRST_DAY = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

_FIRST = 1_000_000
"""Numbers have seven digits, so that a copy is as long as what it is made of."""
_AT_ONCE = 2_000
"""Orders in one transaction."""
ZONE = ZoneInfo("UTC")
_PATIENT: dict[type[SQLModel], str] = {
    PatientRow: "id", PatientIdentifier: "patient_id", OrderRow: "patient_id"
}  # fmt: skip
"""Where a row says whose it is."""


def wait(store: Store, site: str, count: int) -> None:
    """Have `count` orders wait in a store that has no others, as they are after their first leg: at rest.

    Each is of a patient of its own.

    The first is made as every order is. The others are its rows with another number, day and key: made one
    by one, 100,000 of them would take longer than what is measured.
    """
    with store.write() as session:
        there = session.exec(select(func.count()).select_from(OrderRow)).one()
        if not there:
            _place(session, the_order(site, 0))
    with store.read() as session:
        templates = list(_rows_of(session, the_order(site, 0).key))
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
            identifiers=(Identifier(value=f"PID{digits}", assigner="HOSPITAL"),),
            name=PersonName(family="Quendel", given="Ada"),
        ),
        steps=(
            ScheduledProcedureStep(
                step_id=f"S{digits}", modality="CT", start=_due(number), station_aet=("CT1",)
            ),
        ),
    )


def _due(number: int) -> datetime:
    return FIRST_DAY + timedelta(days=number // A_DAY)


def _place(session: Session, order: Order) -> None:
    row = orders.place(session, order, source="bench", occurred_at=FIRST_DAY, now=FIRST_DAY)
    worklist.put(session, order.key, order.site, worklist_items(order, ZONE))
    orders.record(session, order.key, Event.WORKLISTED, source="bench", occurred_at=FIRST_DAY, now=FIRST_DAY)
    row.wake_at = row.overdue_at = None


def _rows_of(session: Session, key: str) -> Iterator[SQLModel]:
    """The order's rows, its patient's first: of each kind in the order in which they were made."""
    order = session.get_one(OrderRow, key)
    yield session.get_one(PatientRow, order.patient_id)
    yield from session.exec(select(PatientIdentifier).where(PatientIdentifier.patient_id == order.patient_id))
    yield order
    yield from session.exec(
        select(OrderEvent).where(OrderEvent.order_key == key).order_by(col(OrderEvent.id))
    )
    yield session.exec(select(WorklistItem).where(WorklistItem.order_key == key)).one()


def _copies(template: SQLModel, site: str, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The columns of the first order's row, as they are for the orders of these numbers."""
    numbered = _PATIENT.get(type(template))
    columns = template.model_dump(exclude={"id"} - {numbered})
    first = _facts(site, 0)
    for number in numbers:
        pairs = list(zip(first, _facts(site, number), strict=True))
        later = _due(number) - FIRST_DAY
        copied = {name: _copied(value, pairs, later) for name, value in columns.items()}
        yield copied | ({numbered: columns[numbered] + number} if numbered else {})


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

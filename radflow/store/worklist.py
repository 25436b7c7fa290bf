"""The modality worklist: items of orders that wait for images, found as DICOM PS3.4 annex K asks."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset
from pydicom.tag import Tag
from sqlmodel import Session, col, delete, or_, select, update

from mappings.dicom.items import Item, loaded, stored
from mappings.dicom.matching import Query
from mappings.dicom.values import name_groups, values
from radflow.order import ON_WORKLIST
from radflow.store.engine import Store
from radflow.store.tables import OrderRow, WorklistItem
from radflow.store.worklist_search import SCHEDULED_STEP, at_stations, conditions

SCHEDULED = "SCHEDULED"
"""Scheduled Procedure Step Status (0040,0020) of a step that is new (PS3.3 table C.4-10)."""

_BATCH = 200
"""Items read at once: a query's memory does not grow with its answers, nor is the database kept waiting."""

_STATUS, _STATION = Tag("ScheduledProcedureStepStatus"), Tag("ScheduledStationAETitle")
_MODALITY = Tag("Modality")


@dataclass(frozen=True)
class Offer:
    """What of a worklist an asker is shown: steps at its stations, and of its modalities; empty is any."""

    stations: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    but: frozenset[str] = frozenset()
    """Scheduled Procedure Step Statuses (0040,0020) of which nothing is shown any more."""

    def holds(self, step: Item) -> bool:
        """Whether this scheduled step is among it; one without a station is at every station."""
        scheduled = step.texts(_STATION) if _STATION in step else []
        here = not self.stations or not scheduled or bool(set(self.stations) & set(scheduled))
        return here and (not self.modalities or bool(set(self.modalities) & set(step.texts(_MODALITY))))


EVERYTHING = Offer()


def put(session: Session, order_key: str, site: str, datasets: Sequence[Dataset]) -> None:
    """Make these the order's items: a known step is replaced, one that is not among them is taken off.

    A step that has arrived or has been started remains so.
    """
    # Two steps of one ID would be one step to the modality; the later one is it.
    items = {columns["scheduled_procedure_step_id"]: columns for columns in map(_columns, datasets)}
    query = select(WorklistItem).where(WorklistItem.order_key == order_key)
    known = {row.scheduled_procedure_step_id: row for row in session.exec(query)}
    for step_id, columns in items.items():
        row = known.pop(step_id, None) or WorklistItem(
            order_key=order_key, site=site, status=SCHEDULED, **columns
        )
        row.sqlmodel_update(columns)
        session.add(row)
    for row in known.values():
        session.delete(row)
    session.flush()


def take_off(session: Session, order_key: str) -> None:
    """Remove the order's items, if there are any."""
    session.exec(delete(WorklistItem).where(col(WorklistItem.order_key) == order_key))


def set_status(session: Session, order_key: str, status: str, step_id: str | None = None) -> int:
    """Set the Scheduled Procedure Step Status of an order's step, or of all; how many there were."""
    statement = update(WorklistItem).where(col(WorklistItem.order_key) == order_key).values(status=status)
    if step_id is not None:
        statement = statement.where(col(WorklistItem.scheduled_procedure_step_id) == step_id)
    return int(session.exec(statement).rowcount)


def items_of(session: Session, order_key: str, but: Collection[str] = ()) -> list[Dataset]:
    """The order's items as others may show them; none when it does not belong on a worklist.

    Args:
        but: Scheduled Procedure Step Statuses (0040,0020) that are no longer shown.
    """
    statement = (
        select(WorklistItem)
        .join(OrderRow, col(OrderRow.key) == col(WorklistItem.order_key))
        .where(
            WorklistItem.order_key == order_key,
            col(OrderRow.state).in_(ON_WORKLIST),
            col(WorklistItem.status).not_in(but),
        )
        .order_by(col(WorklistItem.id))
    )
    items = []
    for row in session.exec(statement):
        item = loaded(row.dataset)
        item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStatus = row.status
        items.append(item)
    return items


def find(store: Store, site: str, query: Query, offer: Offer = EVERYTHING) -> Iterator[Item]:
    """The items of a site that match a query, in the order in which they are due.

    Which items may match is asked once; they are read in batches as they are taken. SQL narrows down by the
    indexed columns, the query itself has the last word. An item that goes meanwhile is not among the answers.
    """
    with store.read() as session:
        numbers = _numbers(session, site, query, offer)
    for first in range(0, len(numbers), _BATCH):
        with store.read() as session:
            items = _read(session, numbers[first : first + _BATCH])
        for item in items:
            if offer.holds(item.items(SCHEDULED_STEP)[0]) and query.matches(item):
                yield item


def _numbers(session: Session, site: str, query: Query, offer: Offer) -> Sequence[int]:
    # An expression: by the columns SQLite would walk through all items in order, to find a single one.
    due = col(WorklistItem.scheduled_date) + col(WorklistItem.scheduled_time)
    statement = (
        select(WorklistItem.id)
        .join(OrderRow, col(OrderRow.key) == col(WorklistItem.order_key))
        .where(WorklistItem.site == site, col(OrderRow.state).in_(ON_WORKLIST), *conditions(query))
        .order_by(due, col(WorklistItem.id))
    )
    if offer.stations:
        statement = statement.where(or_(at_stations(offer.stations), WorklistItem.station_aets == ""))
    if offer.but:
        statement = statement.where(col(WorklistItem.status).not_in(offer.but))
    if offer.modalities:
        statement = statement.where(col(WorklistItem.modality).in_(offer.modalities))
    return [number for number in session.exec(statement) if number is not None]


def _read(session: Session, numbers: Sequence[int]) -> list[Item]:
    """The items of these numbers, in this order."""
    statement = select(WorklistItem.id, WorklistItem.dataset, WorklistItem.status)
    rows = {number: (data, status) for number, data, status in
            session.exec(statement.where(col(WorklistItem.id).in_(numbers)))}  # fmt: skip
    return [_item(*rows[number]) for number in numbers if number in rows]


def _item(data: bytes, status: str) -> Item:
    """The item with the status of its step, which changes without the rest."""
    item = Item(data)
    steps = [step.with_text(_STATUS, "CS", status) for step in item.items(SCHEDULED_STEP)]
    return item.with_items(SCHEDULED_STEP, steps)


def _columns(dataset: Dataset) -> dict[str, Any]:
    step = dataset.ScheduledProcedureStepSequence[0]
    stations = values(step["ScheduledStationAETitle"]) if "ScheduledStationAETitle" in step else []
    alphabetic, ideographic, phonetic = [*name_groups(_value(dataset, "PatientName")), "", ""][:3]
    return {
        "scheduled_procedure_step_id": _value(step, "ScheduledProcedureStepID"),
        "modality": _value(step, "Modality"),
        "station_aets": "\\".join(("", *stations, "")) if stations else "",
        "scheduled_date": _value(step, "ScheduledProcedureStepStartDate"),
        "scheduled_time": _value(step, "ScheduledProcedureStepStartTime"),
        "patient_name": alphabetic,
        "ideographic_name": ideographic,
        "phonetic_name": phonetic,
        "patient_id": _value(dataset, "PatientID"),
        "accession_number": _value(dataset, "AccessionNumber"),
        "requested_procedure_id": _value(dataset, "RequestedProcedureID"),
        "study_instance_uid": _value(dataset, "StudyInstanceUID"),
        "dataset": stored(dataset),
    }


def _value(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip()

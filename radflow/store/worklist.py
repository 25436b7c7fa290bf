"""The modality worklist: items of orders that wait for images, found as DICOM PS3.4 annex K asks."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from pydicom import Dataset
from pydicom.tag import Tag
from sqlalchemy import ColumnElement
from sqlmodel import Session, col, delete, or_, select

from mappings.dicom.matching import Span, answer, has_wildcard, matches, name_groups, span, values
from radflow.order import ON_WORKLIST
from radflow.store.tables import OrderRow, WorklistItem

_LONGEST_LIST = 1000
"""A longer list of values does not narrow the search in SQL, where a statement's parameters are limited."""

_ESCAPE = "!"


def put(session: Session, order_key: str, site: str, datasets: Sequence[Dataset]) -> None:
    """Make these the order's items: a known step is replaced, one that is not among them is taken off."""
    # Two steps of one ID would be one step to the modality; the later one is it.
    items = {columns["scheduled_procedure_step_id"]: columns for columns in map(_columns, datasets)}
    query = select(WorklistItem).where(WorklistItem.order_key == order_key)
    known = {row.scheduled_procedure_step_id: row for row in session.exec(query)}
    for step_id, columns in items.items():
        row = known.pop(step_id, None) or WorklistItem(order_key=order_key, site=site, **columns)
        row.sqlmodel_update(columns)
        session.add(row)
    for row in known.values():
        session.delete(row)
    session.flush()


def take_off(session: Session, order_key: str) -> None:
    """Remove the order's items, if there are any."""
    session.exec(delete(WorklistItem).where(col(WorklistItem.order_key) == order_key))


def find(session: Session, site: str, query: Dataset) -> Iterator[Dataset]:
    """The answers to a worklist query of a site: its keys, filled from each item that matches.

    The database has been asked when this returns; the answers are made one by one as they are taken,
    without the session. SQL narrows down by the indexed columns, `matches` has the last word.
    """
    statement = (
        select(WorklistItem.dataset)
        .join(OrderRow, col(OrderRow.key) == col(WorklistItem.order_key))
        .where(WorklistItem.site == site, col(OrderRow.state).in_(ON_WORKLIST), *_conditions(query))
        .order_by(col(WorklistItem.scheduled_date), col(WorklistItem.scheduled_time), col(WorklistItem.id))
    )
    documents = session.exec(statement).all()
    items = (Dataset.from_json(dict(document)) for document in documents)
    return (answer(query, item) for item in items if matches(query, item))


def _columns(dataset: Dataset) -> dict[str, Any]:
    step = dataset.ScheduledProcedureStepSequence[0]
    stations = values(step["ScheduledStationAETitle"]) if "ScheduledStationAETitle" in step else []
    return {
        "scheduled_procedure_step_id": _value(step, "ScheduledProcedureStepID"),
        "modality": _value(step, "Modality"),
        "station_aets": "\\".join(("", *stations, "")) if stations else "",
        "scheduled_date": _value(step, "ScheduledProcedureStepStartDate"),
        "scheduled_time": _value(step, "ScheduledProcedureStepStartTime"),
        "patient_name": "=".join(name_groups(_value(dataset, "PatientName"))),
        "patient_id": _value(dataset, "PatientID"),
        "accession_number": _value(dataset, "AccessionNumber"),
        "requested_procedure_id": _value(dataset, "RequestedProcedureID"),
        "study_instance_uid": _value(dataset, "StudyInstanceUID"),
        "dataset": dataset.to_json_dict(),
    }


def _value(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip()


def _any_of(column: Any, wanted: list[str]) -> ColumnElement[bool]:
    exact = [value for value in wanted if not has_wildcard(value)]
    return or_(column.in_(exact), *(_like(column, value) for value in wanted if has_wildcard(value)))


def _named(wanted: list[str]) -> ColumnElement[bool]:
    return or_(*(_named_one(name_groups(name)) for name in wanted))


def _named_one(groups: list[str]) -> ColumnElement[bool]:
    """The column holds all component groups, and the one asked for may be any of them."""
    return _like(col(WorklistItem.patient_name), f"*{max(groups, key=len).rstrip('^*')}*")


def _at_station(wanted: list[str]) -> ColumnElement[bool]:
    return or_(*(_like(col(WorklistItem.station_aets), f"*\\{title}\\*") for title in wanted))


def _on_dates(wanted: list[str]) -> ColumnElement[bool]:
    return or_(*(_on_date(span(date)) for date in wanted))


def _on_date(asked: Span) -> ColumnElement[bool]:
    column = col(WorklistItem.scheduled_date)
    until = column <= asked.last.ljust(len("YYYYMMDD"), "9")
    return (column >= asked.first) & until if asked.last else column >= asked.first


def _like(column: Any, pattern: str) -> ColumnElement[bool]:
    for special in (_ESCAPE, "%", "_"):
        pattern = pattern.replace(special, _ESCAPE + special)
    condition: ColumnElement[bool] = column.like(pattern.replace("*", "%").replace("?", "_"), escape=_ESCAPE)
    return condition


_Condition = Callable[[list[str]], ColumnElement[bool]]

_ORDER_KEYS: dict[int, _Condition] = {
    Tag("PatientName"): _named,
    Tag("PatientID"): partial(_any_of, WorklistItem.patient_id),
    Tag("AccessionNumber"): partial(_any_of, WorklistItem.accession_number),
    Tag("RequestedProcedureID"): partial(_any_of, WorklistItem.requested_procedure_id),
    Tag("StudyInstanceUID"): partial(_any_of, WorklistItem.study_instance_uid),
}
_STEP_KEYS: dict[int, _Condition] = {
    Tag("Modality"): partial(_any_of, WorklistItem.modality),
    Tag("ScheduledProcedureStepID"): partial(_any_of, WorklistItem.scheduled_procedure_step_id),
    Tag("ScheduledStationAETitle"): _at_station,
    Tag("ScheduledProcedureStepStartDate"): _on_dates,
}
"""The keys that a column knows, outside and inside the Scheduled Procedure Step Sequence (0040,0100)."""


def _conditions(query: Dataset) -> Iterator[ColumnElement[bool]]:
    """What of the query the columns can tell. It may let too much through, never too little."""
    step = query.get("ScheduledProcedureStepSequence") or [Dataset()]
    yield from _narrowed(query, _ORDER_KEYS)
    yield from _narrowed(step[0], _STEP_KEYS)


def _narrowed(query: Dataset, columns: dict[int, _Condition]) -> Iterator[ColumnElement[bool]]:
    for key in query:
        wanted = values(key) if key.tag in columns else []
        if 0 < len(wanted) <= _LONGEST_LIST:
            yield columns[key.tag](wanted)

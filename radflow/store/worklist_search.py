"""What of a worklist query the columns can tell. It may let too much through, never too little."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from pydicom.tag import Tag
from sqlalchemy import ColumnElement
from sqlmodel import col, or_, true

from mappings.dicom.matching import Query
from mappings.dicom.values import EMPTY_VALUE, Span, has_wildcard, name_groups, name_start, span
from radflow.store.tables import WorklistItem

_LONGEST_LIST = 1000
"""A longer list of values does not narrow the search in SQL, where a statement's parameters are limited."""

_ESCAPE = "!"
_AFTER_ALL = "\U0010ffff"

_NAMES = (
    col(WorklistItem.patient_name), col(WorklistItem.ideographic_name), col(WorklistItem.phonetic_name),
)  # fmt: skip
"""The component groups of a PN, each in a column."""

SCHEDULED_STEP = Tag("ScheduledProcedureStepSequence")


def conditions(query: Query) -> Iterator[ColumnElement[bool]]:
    """The conditions on the columns of an item that any match of the query meets."""
    yield from _narrowed(query, _ORDER_KEYS)
    steps = query.key(SCHEDULED_STEP)
    for step in steps.items if steps else ():
        yield from _narrowed(step, _STEP_KEYS)


def at_stations(titles: Sequence[str]) -> ColumnElement[bool]:
    """Scheduled for one of these stations; AE titles may hold wildcards."""
    return or_(*(_like(col(WorklistItem.station_aets), f"*\\{title}\\*") for title in titles))


def _narrowed(query: Query, columns: "dict[int, _Condition]") -> Iterator[ColumnElement[bool]]:
    for key in query.matching:
        if EMPTY_VALUE in key.wanted:
            continue
        if key.tag in columns and 0 < len(key.wanted) <= _LONGEST_LIST:
            yield columns[key.tag](key.wanted)


def _any_of(column: Any, wanted: Sequence[str]) -> ColumnElement[bool]:
    exact = [value for value in wanted if not has_wildcard(value)]
    return or_(column.in_(exact), *(_like(column, value) for value in wanted if has_wildcard(value)))


def _named(wanted: Sequence[str]) -> ColumnElement[bool]:
    return or_(*(_named_one(name_groups(name)) for name in wanted))


def _named_one(groups: list[str]) -> ColumnElement[bool]:
    """A single group may be any of ours; of several the first that says something tells enough."""
    if len(groups) == 1:
        return or_(*(_begins(column, groups[0]) for column in _NAMES))
    pairs = zip(_NAMES, groups, strict=False)
    return next((_begins(column, group) for column, group in pairs if group), true())


def _begins(column: Any, group: str) -> ColumnElement[bool]:
    start = name_start(group)
    if not start:
        return _like(column, group.rstrip("^*") + "*")
    # Not BETWEEN, in which PostgreSQL takes no collation.
    condition: ColumnElement[bool] = (column >= start) & (column <= start + _AFTER_ALL)
    return condition


def _on_dates(wanted: Sequence[str]) -> ColumnElement[bool]:
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


_Condition = Callable[[Sequence[str]], ColumnElement[bool]]

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
    Tag("ScheduledStationAETitle"): at_stations,
    Tag("ScheduledProcedureStepStartDate"): _on_dates,
}
"""The keys that a column knows, outside and inside the Scheduled Procedure Step Sequence (0040,0100)."""

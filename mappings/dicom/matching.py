"""Does an entity match a query, and what of it is answered: DICOM PS3.4 §C.2.2.2, with §K.6.1 for worklists.

One meaning for every use: the store's SQL only narrows down what is then matched here. A `Query` is read
once, and then asked of any number of entities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pydicom import DataElement, Dataset
from pydicom.tag import Tag

from mappings.dicom.values import EMPTY_VALUE, Span, digits, matches_value, span, values

_NEVER_MATCHED = frozenset(
    Tag(keyword) for keyword in ("SpecificCharacterSet", "QueryRetrieveLevel", "TimezoneOffsetFromUTC")
)
"""They say how a query is to be read, not what it looks for."""

_CHARACTER_SET = Tag("SpecificCharacterSet")
_STEP_DATE, _STEP_TIME = Tag("ScheduledProcedureStepStartDate"), Tag("ScheduledProcedureStepStartTime")


class Entity(Protocol):
    """What is looked at: a worklist item, a study, an item of one of its sequences."""

    def __contains__(self, tag: int) -> bool:
        """Whether it has the attribute at all, be it empty."""
        ...

    def texts(self, tag: int) -> list[str]:
        """The values of an attribute as a query may ask for them; none where it is empty."""
        ...

    def items(self, tag: int) -> Sequence["Entity"]:
        """The items of a sequence."""
        ...


@dataclass(frozen=True)
class Key:
    """One key of a query."""

    tag: int
    vr: str
    wanted: tuple[str, ...] = ()
    """The values looked for; none is universal matching (§C.2.2.2.3)."""
    items: tuple["Query", ...] = ()
    """Of a sequence: what its items are asked for. None, or one without keys, asks for all of them."""

    def matches(self, entity: Entity) -> bool:
        if self.vr == "SQ":
            # Sequence matching (§C.2.2.2.6): one item of ours has to match.
            asking = (query for query in self.items if query.matching)
            return all(any(query.matches(ours) for ours in entity.items(self.tag)) for query in asking)
        ours = entity.texts(self.tag)
        if not ours:
            return EMPTY_VALUE in self.wanted
        return any(matches_value(self.vr, one, our) for one in self.wanted for our in ours)

    @property
    def asks(self) -> bool:
        """Whether it leaves out anything at all."""
        return bool(self.wanted) or any(query.matching for query in self.items)


@dataclass(frozen=True)
class Query:
    """The keys of a C-FIND identifier, or of an item of one of its sequences."""

    keys: tuple[Key, ...]
    matching: tuple[Key, ...]
    """Those that leave something out."""
    period: tuple[Span, Span] | None = None
    """Start date and time of a scheduled step where both are ranges: together one (table K.6-1)."""

    @classmethod
    def of(cls, identifier: Dataset) -> "Query":
        """Read an identifier; raises whatever pydicom raises where it cannot be read."""
        keys = tuple(_key(element) for element in identifier if element.tag.element != 0)
        matching = tuple(key for key in keys if key.asks and key.tag not in _NEVER_MATCHED)
        asked = {key.tag: key.wanted[0] for key in matching if key.wanted}
        date, time = asked.get(_STEP_DATE, ""), asked.get(_STEP_TIME, "")
        period = (span(date), span(time)) if "-" in date and "-" in time else None
        return cls(tuple(key for key in keys if key.tag != _CHARACTER_SET), matching, period)

    def matches(self, entity: Entity) -> bool:
        """Whether the entity has what each key asks for.

        A key that the entity does not have at all is one that is not supported, and matches everything
        (§C.2.2.1.3); one that it has with an empty value matches what asks for nothing, or for just that.
        """
        but = (_STEP_DATE, _STEP_TIME) if self.period else ()
        if self.period and not _within(*self.period, entity):
            return False
        return all(key.matches(entity) for key in self.matching if key.tag not in but and key.tag in entity)

    def key(self, tag: int) -> Key | None:
        """The key of this tag, where the query has it and it leaves something out."""
        return next((key for key in self.matching if key.tag == tag), None)


def matches(query: Dataset, entity: Dataset) -> bool:
    """Whether a dataset has what each key of the identifier asks for, as `Query.matches` says."""
    return Query.of(query).matches(_DatasetEntity(entity))


def answer(query: Dataset, entity: Dataset) -> Dataset:
    """The entity reduced to the keys of the query; what it does not have is there, and empty.

    The answer shares its elements with the entity: it is to be sent, not changed.
    """
    reduced = _reduced(Query.of(query), entity)
    if entity.get("SpecificCharacterSet"):
        reduced.SpecificCharacterSet = entity.SpecificCharacterSet
    return reduced


@dataclass(frozen=True)
class _DatasetEntity:
    """A pydicom dataset, looked at."""

    dataset: Dataset

    def __contains__(self, tag: int) -> bool:
        return tag in self.dataset

    def texts(self, tag: int) -> list[str]:
        return values(self.dataset[tag])

    def items(self, tag: int) -> list["_DatasetEntity"]:
        return [_DatasetEntity(item) for item in self.dataset[tag].value or ()]


def _key(element: DataElement) -> Key:
    if element.VR == "SQ":
        return Key(element.tag, "SQ", items=tuple(Query.of(item) for item in element.value))
    return Key(element.tag, str(element.VR), wanted=tuple(values(element)))


def _within(dates: Span, times: Span, step: Entity) -> bool:
    date, time = (
        digits(next(iter(step.texts(tag)), "")) if tag in step else "" for tag in (_STEP_DATE, _STEP_TIME)
    )
    if date not in dates:
        return False
    too_early = bool(dates.first) and date == dates.first and time not in Span(times.first, "")
    too_late = bool(dates.last) and date == dates.last and time not in Span("", times.last)
    return not too_early and not too_late


def _reduced(query: Query, entity: Dataset) -> Dataset:
    reduced = Dataset()
    for key in query.keys:
        reduced[key.tag] = _reduced_element(key, entity)
    return reduced


def _reduced_element(key: Key, entity: Dataset) -> DataElement:
    if key.tag not in entity:
        return DataElement(key.tag, key.vr, [] if key.vr == "SQ" else None)
    element = entity[key.tag]
    # An empty item, or no item, asks for every key of the sequence (§C.2.2.2.6).
    if key.vr != "SQ" or not key.items or not key.items[0].keys:
        return element
    return DataElement(key.tag, "SQ", [_reduced(key.items[0], item) for item in element.value])

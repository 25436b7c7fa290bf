"""Does an entity match a query, and what of it is answered: DICOM PS3.4 §C.2.2.2, with §K.6.1 for worklists.

One meaning for every use: the store's SQL only narrows down what is then matched here.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

_NEVER_MATCHED = frozenset(
    Tag(keyword) for keyword in ("SpecificCharacterSet", "QueryRetrieveLevel", "TimezoneOffsetFromUTC")
)
"""They say how a query is to be read, not what it looks for."""

_STEP_DATE, _STEP_TIME = Tag("ScheduledProcedureStepStartDate"), Tag("ScheduledProcedureStepStartTime")

_ANY_MORE_COMPONENTS = re.compile(r"(\^\*)+$")
"""DOE^* asks for a DOE of any given name, also of none."""

_TEXT = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
"""Value representations with wildcard matching (§C.2.2.2.4)."""


def matches(query: Dataset, entity: Dataset) -> bool:
    """Whether the entity has what each key of the query asks for.

    A key that the entity does not have at all is one that is not supported, and matches everything
    (§C.2.2.1.3); one that it has with an empty value matches only what asks for nothing.
    """
    if _is_a_period(query):
        return _within_period(query, entity) and _matches(
            query, entity, but=frozenset({_STEP_DATE, _STEP_TIME})
        )
    return _matches(query, entity)


def answer(query: Dataset, entity: Dataset) -> Dataset:
    """The entity reduced to the keys of the query; what it does not have is there, and empty (§C.2.2.1.3).

    The answer shares its elements with the entity: it is to be sent, not changed.
    """
    reduced = _reduced(query, entity)
    if entity.get("SpecificCharacterSet"):
        reduced.SpecificCharacterSet = entity.SpecificCharacterSet
    return reduced


def values(element: DataElement) -> list[str]:
    """The values a key looks for; none is universal matching (§C.2.2.2.3), as is a PN of mere delimiters."""
    value = element.value
    all_values: Iterable[Any] = value if isinstance(value, MultiValue) else [value]
    texts = ("" if one is None else str(one).strip() for one in all_values)
    return [text for text in texts if text.strip("*^= ")]


def has_wildcard(value: str) -> bool:
    return "*" in value or "?" in value


def name_groups(name: str) -> list[str]:
    """A PN's component groups as they are compared: upper case, without empty components at the end."""
    return [group.strip().rstrip("^").upper() for group in name.split("=")]


@dataclass(frozen=True)
class Span:
    """A range of DA or TM, both ends included; an empty end is open (§C.2.2.2.5)."""

    first: str
    last: str

    def __contains__(self, value: str) -> bool:
        """Only as far as the range is precise: 12 to 14 holds 14:59:59."""
        after = not self.first or value[: len(self.first)] >= self.first
        before = not self.last or value[: len(self.last)] <= self.last
        return bool(value) and after and before


def span(value: str) -> Span:
    """What a DA or TM key asks for: `20261124`, `20261124-`, `-20261124`, `20261124-20261130`."""
    first, _, last = (_digits(part) for part in value.partition("-"))
    return Span(first, last if "-" in value else first)


def _digits(value: str) -> str:
    """DA or TM without the fraction of a second and the separators of ACR-NEMA."""
    value = value.strip()
    if value.count(".") == 1:
        value = value.partition(".")[0]
    return value.replace(":", "").replace(".", "")


def _matches(query: Dataset, entity: Dataset, but: frozenset[int] = frozenset()) -> bool:
    keys = (key for key in query if key.tag not in _NEVER_MATCHED and key.tag not in but)
    return all(_matches_key(key, entity[key.tag]) for key in keys if key.tag in entity)


def _matches_key(key: DataElement, element: DataElement) -> bool:
    if key.VR == "SQ":
        # Sequence matching (§C.2.2.2.6): the key has one item at most, and one item of ours has to match.
        return all(
            any(matches(item, ours) for ours in element.value or ()) for item in key.value if len(item)
        )
    wanted = values(key)
    return not wanted or any(_matches_value(key.VR, one, ours) for one in wanted for ours in values(element))


def _matches_value(vr: str, wanted: str, ours: str) -> bool:
    if vr == "PN":
        return _matches_name(name_groups(wanted), name_groups(ours))
    if vr in ("DA", "TM"):
        return _digits(ours) in span(wanted)
    if vr in _TEXT and has_wildcard(wanted):
        return _like(wanted, ours)
    return wanted == ours


def _matches_name(wanted: Sequence[str], ours: Sequence[str]) -> bool:
    """A single group may be any of ours (山田 or Yamada); several are compared each with its own."""
    if len(wanted) == 1:
        return any(_matches_group(wanted[0], group) for group in ours)
    pairs = zip(wanted, [*ours, "", ""], strict=False)
    return all(_matches_group(group, our_group) for group, our_group in pairs if group)


def _matches_group(wanted: str, ours: str) -> bool:
    return bool(ours) and (_like(wanted, ours) or _like(_ANY_MORE_COMPONENTS.sub("", wanted), ours))


def _like(pattern: str, text: str) -> bool:
    # Brackets mean nothing in DICOM.
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _is_a_period(query: Dataset) -> bool:
    """Date and time of a scheduled step are one period when both are ranges (PS3.4 table K.6-1)."""
    return all(key in query and "-" in str(query[key].value or "") for key in (_STEP_DATE, _STEP_TIME))


def _within_period(query: Dataset, step: Dataset) -> bool:
    dates, times = (span(str(query[key].value)) for key in (_STEP_DATE, _STEP_TIME))
    date, time = (
        _digits(str(step[key].value or "")) if key in step else "" for key in (_STEP_DATE, _STEP_TIME)
    )
    if date not in dates:
        return False
    too_early = bool(dates.first) and date == dates.first and time not in Span(times.first, "")
    too_late = bool(dates.last) and date == dates.last and time not in Span("", times.last)
    return not too_early and not too_late


def _reduced(query: Dataset, entity: Dataset) -> Dataset:
    reduced = Dataset()
    for key in query:
        if key.tag.element == 0 or key.tag == Tag("SpecificCharacterSet"):
            continue
        reduced[key.tag] = _reduced_element(key, entity)
    return reduced


def _reduced_element(key: DataElement, entity: Dataset) -> DataElement:
    if key.tag not in entity:
        return DataElement(key.tag, key.VR, [] if key.VR == "SQ" else None)
    element = entity[key.tag]
    # An empty item, or no item, asks for every key of the sequence (§C.2.2.2.6).
    if key.VR != "SQ" or not key.value or not len(key.value[0]):
        return element
    return DataElement(key.tag, "SQ", [_reduced(key.value[0], item) for item in element.value])

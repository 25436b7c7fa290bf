"""A data element ↔ DICOM JSON (PS3.18 annex F), and its value as text, whatever state it is in.

pydicom's own JSON turns DS into floats, and raises where DS or IS holds no number. Here they stay text.
"""

import math
from base64 import b64encode
from functools import cache
from typing import Any

from pydicom import DataElement, Dataset, config
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

Json = dict[str, Any]

DEEPEST = 60
"""Levels of sequences within sequences that are read: JSON has readers that stop at 200 of its own levels."""

_NUMBERS_AS_TEXT = {"DS", "IS", "FL", "FD"}


class NestedTooDeep(ValueError):
    """There are more than `DEEPEST` levels; no report needs so many."""

    def __init__(self) -> None:
        super().__init__(f"the content is nested deeper than {DEEPEST} levels")


def text(dataset: Dataset, keyword: str) -> str:
    """The value as it was sent, several joined by a backslash; empty where there is none."""
    tag = _tag(keyword)
    return "\\".join(_texts(dataset, tag)) if tag in dataset else ""


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """The values as they were sent, without empty ones."""
    return tuple(value.strip() for value in text(dataset, keyword).split("\\") if value.strip())


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it is missing, or is no sequence."""
    tag = _tag(keyword)
    value = _element(dataset, tag).value if tag in dataset else None
    return list(value) if isinstance(value, Sequence) else []


def as_json(dataset: Dataset, *, without: frozenset[int] = frozenset(), level: int = 1) -> dict[str, Json]:
    """Every element of the dataset, by its tag in eight hexadecimal digits.

    Raises:
        NestedTooDeep: sequences within sequences go on for too long.
    """
    if level > DEEPEST:
        raise NestedTooDeep
    tags = sorted(tag for tag in dataset.keys() if tag not in without)  # noqa: SIM118 — iterating would decode
    return {f"{tag:08X}": _json(dataset, tag, level) for tag in tags}


def put_json(dataset: Dataset, elements: dict[str, Json]) -> None:
    """Set the elements that `as_json` has made."""
    for name, element in elements.items():
        put(dataset, Tag(int(name, 16)), element["vr"], element.get("Value"), element.get("InlineBinary"))


def put(dataset: Dataset, tag: BaseTag, vr: str, values: list[Any] | None, binary: str | None = None) -> None:
    """Set an element to these values, be they valid or not."""
    if vr == "SQ":
        dataset[tag] = DataElement(tag, vr, Sequence([_dataset(item) for item in values or []]))
    elif vr in ("DS", "IS") and not _all_numbers(values or []):
        # pydicom holds no such value, but bytes that it has not looked at yet.
        raw = "\\".join(str(value) for value in values or []).encode("utf-8")
        dataset[tag] = RawDataElement(tag, vr, len(raw), raw, 0, False, True)
    elif vr in _NUMBERS_AS_TEXT:
        numbers = [float(value) if vr in ("FL", "FD") else value for value in values or []]
        dataset[tag] = _valid_or_not(tag, vr, numbers)
    else:
        given = {"InlineBinary": binary} if binary is not None else {"Value": values or []}
        dataset[tag] = DataElement.from_json(Dataset, f"{tag:08X}", vr, *_value_and_key(given))


@cache
def _tag(keyword: str) -> BaseTag:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return Tag(tag)


def _value_and_key(given: Json) -> tuple[Any, str]:
    ((key, value),) = given.items()
    return value, key


def _valid_or_not(tag: BaseTag, vr: str, values: list[Any]) -> DataElement:
    value = values[0] if len(values) == 1 else values or None
    return DataElement(tag, vr, value, validation_mode=config.IGNORE)


def _all_numbers(values: list[Any]) -> bool:
    return all(_is_number(str(value)) for value in values)


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value)) and value == value.strip()
    except ValueError:
        return False


def _dataset(elements: dict[str, Json]) -> Dataset:
    dataset = Dataset()
    put_json(dataset, elements)
    return dataset


def _element(dataset: Dataset, tag: BaseTag) -> DataElement | RawDataElement:
    """The element; as its bytes, where they cannot be decoded."""
    try:
        return dataset[tag]
    except Exception:
        return dataset.get_item(tag)


def _texts(dataset: Dataset, tag: BaseTag) -> list[str]:
    element = _element(dataset, tag)
    value = element.value
    if isinstance(value, bytes):
        return [value.rstrip(b"\0 ").decode("utf-8", "backslashreplace")]
    values = value if isinstance(value, (MultiValue, list)) else [value]
    # str() of pydicom's DS and IS is what was sent.
    return ["" if one is None else str(one) for one in values]


def _json(dataset: Dataset, tag: BaseTag, level: int) -> Json:
    element = _element(dataset, tag)
    if isinstance(element, RawDataElement):
        if element.VR in ("DS", "IS"):
            return {"vr": str(element.VR), "Value": _texts(dataset, tag)}
        return {"vr": "UN", "InlineBinary": b64encode(element.value or b"").decode()}
    if element.VR == "SQ":
        return {"vr": "SQ", "Value": [as_json(item, level=level + 1) for item in element.value]}
    if element.VR in _NUMBERS_AS_TEXT:
        values = [] if element.is_empty else _texts(dataset, tag)
        return {"vr": str(element.VR), "Value": values} if values else {"vr": str(element.VR)}
    return element.to_json_dict(None, 0) | {"vr": str(element.VR)}

"""An item's answer to a query: its keys, in a character set that the asker knows (PS3.4 §K.4.1.1.3)."""

import struct
from collections.abc import Iterator, Sequence

from mappings.dicom.character_sets import ASCII, CharacterSet, character_set, encoded
from mappings.dicom.items import LONG_VRS, Item, is_text, padded
from mappings.dicom.matching import Key, Query

_CHARACTER_SET = 0x00080005

_Value = bytes | list["_Element"]
_Element = tuple[int, str, "_Value"]


def answered(query: Query, item: Item, preferred: Sequence[str], *, implicit: bool) -> bytes:
    """The item reduced to the keys of the query, in little endian with implicit or explicit VR.

    A key that the item does not have is there, and empty; private attributes do not exist for us and are
    left out (§C.2.2.1.3).

    Args:
        query: Its keys are those of the answer.
        item: What matches it.
        preferred: The character set of the query.
        implicit: Whether VRs are left out (PS3.5 §7.1.3).
    """
    elements = _reduced(query, item)
    target = character_set(preferred, _texts(elements))
    if target != ASCII:
        name = padded("CS", "\\".join(target).encode())
        elements = sorted([*elements, (_CHARACTER_SET, "CS", name)], key=lambda element: element[0])
    return _written(elements, target, implicit)


def _reduced(query: Query, item: Item) -> list[_Element]:
    return [_reduced_element(key, item) for key in query.keys if not key.tag & 0x10000]


def _reduced_element(key: Key, item: Item) -> _Element:
    if key.tag not in item:
        return key.tag, key.vr, [] if key.vr == "SQ" else b""
    vr, value = item.elements[key.tag]
    if vr != "SQ":
        return key.tag, vr, value
    # An empty item, or no item, asks for every key of the sequence (§C.2.2.2.6).
    query = key.items[0] if key.items and key.items[0].keys else None
    inner = (_reduced(query, one) if query else _whole(one) for one in item.items(key.tag))
    return key.tag, vr, [(0, "item", elements) for elements in inner]


def _whole(item: Item) -> list[_Element]:
    return [
        (tag, vr, [(0, "item", _whole(inner)) for inner in item.items(tag)] if vr == "SQ" else value)
        for tag, (vr, value) in item.elements.items()
    ]


def _texts(elements: list[_Element]) -> Iterator[tuple[str, bytes]]:
    for _, vr, value in elements:
        if isinstance(value, list):
            yield from _texts(value)
        elif is_text(vr):
            yield vr, value


def _written(elements: list[_Element], target: CharacterSet, implicit: bool) -> bytes:
    written = bytearray()
    for tag, vr, value in elements:
        if isinstance(value, list):
            data = _written(value, target, implicit)
        elif is_text(vr) and target != ASCII:
            data = padded(vr, encoded(vr, value.rstrip(b" "), target))
        else:
            data = value
        written += _header(tag, vr, len(data), implicit) + data
    return bytes(written)


def _header(tag: int, vr: str, length: int, implicit: bool) -> bytes:
    """PS3.5 §7.1.2, §7.1.3 and, for an item of a sequence, §7.5."""
    if vr == "item":
        return struct.pack("<HHL", 0xFFFE, 0xE000, length)
    group, element = tag >> 16, tag & 0xFFFF
    if implicit:
        return struct.pack("<HHL", group, element, length)
    if vr in LONG_VRS:
        return struct.pack("<HH2sHL", group, element, vr.encode(), 0, length)
    return struct.pack("<HH2sH", group, element, vr.encode(), length)

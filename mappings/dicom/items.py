"""A worklist item as the store keeps it: explicit VR little endian without file meta, texts in UTF-8.

pydicom needs a hundred times as long to build a dataset as this needs to look up the few attributes that a
query asks for: PS3.5 §7.1 is simple where it is written by ourselves.
"""

import struct
from collections.abc import Iterator, Sequence
from functools import cached_property
from io import BytesIO

from pydicom import Dataset
from pydicom.filebase import DicomIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from mappings.dicom.character_sets import TEXT_VRS, UTF8

LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
"""Value representations with a length of 32 bits (PS3.5 table 7.1-1)."""

_ITEM = b"\xfe\xff\x00\xe0"
_ONE_TEXT = frozenset({"LT", "ST", "UT", "UR"})
"""Value representations in which a backslash divides nothing (PS3.5 §6.4)."""


def stored(item: Dataset) -> bytes:
    """The bytes of an item, in UTF-8 whatever its character set was."""
    copy = _copied(item)
    copy.SpecificCharacterSet = list(UTF8)
    buffer = BytesIO()
    file = DicomIO(buffer)
    file.is_little_endian, file.is_implicit_VR = True, False
    write_dataset(file, copy)
    return buffer.getvalue()


def loaded(data: bytes) -> Dataset:
    """The dataset of `stored` bytes, in UTF-8."""
    return read_dataset(BytesIO(data), is_implicit_VR=False, is_little_endian=True)


class Item:
    """An item, or an item of one of its sequences, read from its bytes as far as it is asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._sequences: dict[int, Sequence[Item]] = {}

    @cached_property
    def elements(self) -> dict[int, tuple[str, bytes]]:
        """Tag → VR and value, the value as it is encoded.

        Raises:
            struct.error: the bytes are not those of `stored`.
        """
        return {tag: (vr, value) for tag, vr, value in _elements(self._data)}

    def __contains__(self, tag: int) -> bool:
        return tag in self.elements

    def texts(self, tag: int) -> list[str]:
        """The values of a text, a date, a time, a code or a UID; none where it is empty."""
        vr, value = self.elements[tag]
        text = value.decode().rstrip("\0 ")
        parts = [text] if vr in _ONE_TEXT else text.split("\\")
        return [part.strip() for part in parts if part.strip()]

    def items(self, tag: int) -> Sequence["Item"]:
        """The items of a sequence."""
        if tag not in self._sequences:
            self._sequences[tag] = [Item(data) for data in _items(self.elements[tag][1])]
        return self._sequences[tag]

    def with_text(self, tag: int, vr: str, text: str) -> "Item":
        """The same with another value in this one attribute."""
        return self._changed(tag, vr, padded(vr, text.encode()))

    def with_items(self, tag: int, items: "Sequence[Item]") -> "Item":
        """The same with other items in this one sequence."""
        changed = self._changed(tag, "SQ", b"")
        changed._sequences[tag] = items
        return changed

    def _changed(self, tag: int, vr: str, value: bytes) -> "Item":
        changed = Item(self._data)
        changed.elements = dict(sorted({**self.elements, tag: (vr, value)}.items()))
        return changed


def padded(vr: str, value: bytes) -> bytes:
    """A value of even length (PS3.5 §6.2)."""
    return value + (b"\0" if vr in ("UI", "OB", "UN") else b" ") if len(value) % 2 else value


def is_text(vr: str) -> bool:
    """Whether the Specific Character Set is about values of this VR."""
    return vr in TEXT_VRS


def _elements(data: bytes) -> Iterator[tuple[int, str, bytes]]:
    at = 0
    while at < len(data):
        group, element = struct.unpack_from("<HH", data, at)
        vr = data[at + 4 : at + 6].decode("ascii")
        if vr in LONG_VRS:
            (length,) = struct.unpack_from("<L", data, at + 8)
            start = at + 12
        else:
            (length,) = struct.unpack_from("<H", data, at + 6)
            start = at + 8
        at = start + length
        yield group << 16 | element, vr, data[start:at]


def _items(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        if data[at : at + 4] != _ITEM:
            raise struct.error("an item of a sequence is expected")
        (length,) = struct.unpack_from("<L", data, at + 4)
        yield data[at + 8 : at + 8 + length]
        at += 8 + length


def _copied(item: Dataset) -> Dataset:
    """The same values, as text: names keep no bytes of another set, and sequences have a length."""
    copy = Dataset()
    for element in item:
        value = element.value
        if element.VR == "SQ":
            value = [_copied(inner) for inner in value]
        elif element.VR == "PN":
            value = [str(name) for name in value] if element.VM > 1 else str(value or "")
        copy.add_new(element.tag, element.VR, value)
    return copy

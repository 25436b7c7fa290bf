"""A small reader of HL7 v2 messages (v2.5.1 §2.5–2.7), without I/O.

hl7apy parses about a hundred messages a second, which a listener cannot wait for: so we read ourselves,
and leave building and validating to hl7apy. Paths are HL7's own: `PID-3.1` is field 3, component 1;
`OBR-32.1.2` its subcomponent 2. Left out, a component or subcomponent is the first.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache, lru_cache

from mappings.hl7.charsets import decode
from mappings.hl7.errors import ErrorCode, NotTakable

NULL = '""'
"""HL7 null: the sender says that there is no value. An empty field says nothing."""

_DEFAULTS = "^~\\&"


@dataclass(frozen=True)
class Delimiters:
    """MSH-1 and MSH-2, and the codec that hexadecimal escapes are in."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    codec: str = "utf_8"


class Repetition:
    """One repetition of a field."""

    def __init__(self, raw: str, delimiters: Delimiters, component: str = "") -> None:
        """Take the text between the field's delimiters; `component` is the delimiter of its parts."""
        self._raw = raw
        self._delimiters = delimiters
        self._component = component or delimiters.component

    def get(self, component: int = 1, subcomponent: int = 1) -> str:
        """The value, unescaped; empty when it is not sent or HL7 null."""
        whole = _nth(self._raw, self._component, component)
        part = _nth(whole, self._delimiters.subcomponent, subcomponent)
        return "" if part == NULL else unescape(part, self._delimiters)

    def component(self, number: int) -> "Repetition":
        """A component as a field of its own: its subcomponents become components."""
        part = _nth(self._raw, self._component, number)
        return Repetition(part, self._delimiters, self._delimiters.subcomponent)

    @property
    def text(self) -> str:
        """The whole, unescaped: delimiters that the sender forgot to escape are text here."""
        return "" if self._raw == NULL else unescape(self._raw, self._delimiters)

    @property
    def raw(self) -> str:
        """The whole as it was sent, to be echoed."""
        return self._raw


class Segments:
    """A run of segments: a message, one of its order groups, or a single segment."""

    def __init__(self, lines: Sequence[list[str]], delimiters: Delimiters) -> None:
        """Take segments that are split into fields, each with its name at 0 and field n at n."""
        self._lines = lines
        self.delimiters = delimiters

    def get(self, path: str) -> str:
        """The value at the path in the first such segment, first repetition; empty when not sent or null."""
        name, field, component, subcomponent = _parsed(path)
        raw = self._raw(name, field)
        # Most fields are empty or one word, and the listener asks for twenty before it answers.
        if not raw or raw.isalnum():
            return raw if component == subcomponent == 1 else ""
        return self._first(raw).get(component, subcomponent)

    def field(self, path: str) -> Repetition:
        """The first repetition of the field."""
        name, field, *_ = _parsed(path)
        return self._first(self._raw(name, field))

    def repetitions(self, path: str, *, empty: bool = False) -> list[Repetition]:
        """Every repetition of the field that holds something; with `empty` the others too."""
        name, field, *_ = _parsed(path)
        parts = self._raw(name, field).split(self.delimiters.repetition)
        return [Repetition(part, self.delimiters) for part in parts if (part or empty) and part != NULL]

    def says(self, *paths: str) -> bool:
        """Whether something is sent at one of the paths, a value or `""`; a path may be a whole field."""
        return any(self._says(path) for path in paths)

    def each(self, name: str) -> Iterator["Segments"]:
        """Every segment of this name, one by one."""
        return (Segments([line], self.delimiters) for line in self._lines if line[0] == name)

    def has(self, name: str) -> bool:
        return any(line[0] == name for line in self._lines)

    def groups(self) -> list["Segments"]:
        """The order groups: an ORC with its OBR and all that follows. Several OBR under one ORC share it."""
        groups: list[list[list[str]]] = []
        for line in self._lines:
            if line[0] == "ORC" or (line[0] == "OBR" and not _awaits_obr(groups)):
                shared = groups[-1] if groups and line[0] == "OBR" else []
                groups.append([orc for orc in shared if orc[0] == "ORC"])
            if groups:
                groups[-1].append(line)
        return [Segments(group, self.delimiters) for group in groups]

    def groups_from(self, name: str) -> list["Segments"]:
        """The groups that each begin with a segment of this name and last until the next one."""
        starts = [number for number, line in enumerate(self._lines) if line[0] == name]
        ends = [*starts[1:], len(self._lines)]
        return [Segments(self._lines[a:b], self.delimiters) for a, b in zip(starts, ends, strict=False)]

    @property
    def names(self) -> list[str]:
        """The name of each segment, in order."""
        return [line[0] for line in self._lines]

    def _says(self, path: str) -> bool:
        name, field, component, subcomponent = _parsed(path)
        raw = self._raw(name, field)
        if "." not in path or raw == NULL:
            d = self.delimiters
            return bool(raw.strip(d.component + d.repetition + d.subcomponent + " "))
        part = _nth(_nth(raw, self.delimiters.repetition, 1), self.delimiters.component, component)
        return bool(_nth(part, self.delimiters.subcomponent, subcomponent).strip())

    def _raw(self, name: str, field: int) -> str:
        for line in self._lines:
            if line[0] == name:
                return line[field] if field < len(line) else ""
        return ""

    def _first(self, raw: str) -> Repetition:
        """The first repetition of a field."""
        return Repetition(raw.split(self.delimiters.repetition, 1)[0], self.delimiters)


class Hl7Message(Segments):
    """A message, read from its bytes."""

    def __init__(self, raw: bytes) -> None:
        """Decode by MSH-18 and split by MSH-1 and MSH-2.

        Raises:
            NotTakable: there is no MSH, it is cut off, or the character set is unknown or untrue.
        """
        text, delimiters = _decoded(raw)
        segments = _with_text_rejoined(_lines(text), delimiters.field)
        lines = [segment.split(delimiters.field) for segment in segments]
        # MSH-1 is the delimiter itself.
        lines[0].insert(1, delimiters.field)
        super().__init__(lines, delimiters)

    def edited(self, edit: Callable[[list[str]], list[str]]) -> "Hl7Message":
        """A copy; each segment, its name at 0 and its raw field n at n, is what `edit` makes of it."""
        changed = copy(self)
        changed._lines = [edit(line) for line in self._lines]
        return changed


def readable(raw: bytes) -> str:
    """The message as text, a segment a line. Raises NotTakable as `Hl7Message` does."""
    return "\n".join(_lines(_decoded(raw)[0]))


def unescape(text: str, delimiters: Delimiters) -> str:
    """Resolve escape sequences (§2.7); highlighting is dropped, what is unknown stays as it is."""
    if delimiters.escape not in text:
        return text
    meanings = {
        "F": delimiters.field, "S": delimiters.component, "R": delimiters.repetition,
        "E": delimiters.escape, "T": delimiters.subcomponent,
        ".br": "\n", ".sp": "\n", "H": "", "N": "",
    }  # fmt: skip

    def meaning(match: re.Match[str]) -> str:
        if match["hex"]:
            digits = re.sub(rf"{re.escape(delimiters.escape)}X?", "", match["hex"])
            return bytes.fromhex(digits).decode(delimiters.codec, errors="replace")
        return meanings.get(match["name"], match[0])

    return _escapes(delimiters.escape).sub(meaning, text)


@cache
def _escapes(escape: str) -> re.Pattern[str]:
    e = re.escape(escape)
    # Hexadecimal escapes in a row may be the bytes of one character.
    return re.compile(rf"(?P<hex>(?:{e}X(?:[0-9A-Fa-f]{{2}})+{e})+)|{e}(?P<name>[^{e}]*){e}")


@lru_cache(maxsize=1024)
def _parsed(path: str) -> tuple[str, int, int, int]:
    name, _, rest = path.partition("-")
    field, component, subcomponent = [*map(int, rest.split(".")), 1, 1][:3]
    return name, field, component, subcomponent


def _nth(text: str, delimiter: str, number: int) -> str:
    """The part of this number, counted from 1; empty when there are fewer."""
    if delimiter not in text:
        return text if number == 1 else ""
    parts = text.split(delimiter, number)
    return parts[number - 1] if number <= len(parts) else ""


def _decoded(raw: bytes) -> tuple[str, Delimiters]:
    raw = raw.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not raw.startswith(b"MSH"):
        raise NotTakable(ErrorCode.SEGMENT_SEQUENCE_ERROR, "MSH^1", "The message does not begin with MSH.")
    header = re.split(rb"[\r\n]", raw, maxsplit=1)[0].decode("iso8859_1")
    field, component, repetition, escape, subcomponent = tuple(_encoding_characters(header))
    charsets = _nth(header, field, 18).split(repetition)
    text, codec = decode(raw, charsets, escape, field + component + repetition + subcomponent)
    return text, Delimiters(field, component, repetition, escape, subcomponent, codec)


def _encoding_characters(header: str) -> str:
    """MSH-1 and MSH-2 as five characters; those that MSH-2 leaves out are the usual ones."""
    field = header[3:4]
    sent = header[4:].partition(field)[0] if field else ""
    # v2.7 has a fifth, the truncation character.
    characters = field + sent[:4] + _DEFAULTS[len(sent[:4]) :]
    wrong = any(character.isalnum() or character <= " " for character in characters)
    if not field or not sent or wrong or len(set(characters)) < 5:
        raise NotTakable(ErrorCode.DATA_TYPE_ERROR, "MSH^1^2", "MSH-1 and MSH-2 name no delimiters.")
    return characters


def _lines(text: str) -> list[str]:
    """Segments end with CR. Where there is none, LF is taken; beside CR it is text, or the rest of CRLF."""
    separator = "\r" if "\r" in text.rstrip() else "\n"
    lines = (line.strip("\r\n") for line in text.split(separator))
    return [line for line in lines if line]


def _with_text_rejoined(lines: list[str], field: str) -> list[str]:
    """The segments: a CR inside OBX-5 or NTE-3, which its sender forgot to escape, is text.

    So a report keeps its lines, a document its bytes. After other segments a line without a name is an error.
    """
    segments: list[str] = []
    for line in lines:
        named = line[3:4] == field and line[:3].isalnum() and line[:3].isupper()
        if not named and segments and segments[-1].startswith(("OBX", "NTE")):
            segments[-1] += f"\n{line}"
        else:
            segments.append(line)
    return segments


def _awaits_obr(groups: list[list[list[str]]]) -> bool:
    return bool(groups) and all(line[0] != "OBR" for line in groups[-1])

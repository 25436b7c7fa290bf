"""A message changed by hand: its text a segment a line, a field of it set, and the text as bytes again."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.reader import Delimiters, Hl7Message, readable

_PATH = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<nth>[1-9]\d*)\])?"
    r"-(?P<field>[1-9]\d{0,2})(?:\[(?P<repetition>[1-9]\d{0,2})\])?"
    r"(?:\.(?P<component>[1-9]\d{0,2})(?:\.(?P<subcomponent>[1-9]\d{0,2}))?)?"
)


class BadEdit(ValueError):
    """The edit cannot be made; the text says why, free of patient data."""


@dataclass(frozen=True)
class Draft:
    """A message to be changed by hand."""

    text: str
    """A segment a line."""
    codec: str
    """What its bytes are in, where MSH-18 names nothing or ASCII."""
    came: Mapping[str, bytes]
    """The bytes of each segment as they came."""


def draft(raw: bytes) -> Draft:
    """The message as text. What is no HL7, or not in the set that its MSH-18 names, is text all the same."""
    try:
        message = Hl7Message(raw)
    except NotTakable:
        codec = "utf_8" if _is_utf8(raw) else "iso8859_1"
        return Draft(raw.decode(codec).replace("\r\n", "\n").replace("\r", "\n"), codec, {})
    came = dict(_segments(raw, message.delimiters.escape))
    return Draft("\n".join(came), message.delimiters.codec, came)


def _segments(raw: bytes, escape: str) -> Iterator[tuple[str, bytes]]:
    """Each segment as text and as bytes. A line feed inside of one is written as .br, as §2.7 has it."""
    body = raw.removeprefix(b"\xef\xbb\xbf").strip()
    separator = b"\r" if b"\r" in body else b"\n"
    header, *others = filter(None, (part.strip(b"\r\n") for part in body.split(separator)))
    yield readable(header), header
    for segment in others:
        # Read behind the header, which names the character set.
        text = readable(header + b"\r" + segment + b"\r").partition("\n")[2]
        yield text.replace("\n", f"{escape}.br{escape}"), segment


def as_bytes(text: str, original: Draft) -> bytes:
    """The text as HL7, each segment ended by CR. Those that are as they came keep their bytes.

    Raises:
        NotTakable: there is no MSH, or it names a character set that is unknown or lacks a character.
    """
    segments = [line for line in text.splitlines() if line.strip()]
    header, before = _header(text), original.text.partition("\n")[0]
    names = [name.text.strip().upper() for name in header.repetitions("MSH-18")]
    named = any(name not in ("", "ASCII") for name in names)
    codec = header.delimiters.codec if named else original.codec
    same_set = original.came and header.field("MSH-18").raw == _header(before).field("MSH-18").raw
    came = original.came if same_set else {}
    try:
        return b"".join((came.get(segment) or segment.encode(codec)) + b"\r" for segment in segments)
    except UnicodeEncodeError:
        raise NotTakable(
            ErrorCode.DATA_TYPE_ERROR, "MSH^1^18", "A character is not in the set of MSH-18."
        ) from None


def _header(text: str) -> Hl7Message:
    """MSH alone: whatever stands in the other segments, it says how they are to be read."""
    return Hl7Message(text.lstrip().partition("\n")[0].encode("ascii", errors="replace"))


def with_field(text: str, path: str, value: str) -> str:
    """The text with one field, component or subcomponent set.

    Args:
        text: a segment a line.
        path: as in `PID-3.1`; `OBR[2]-4` is the second OBR, `PID-3[2].4` the second repetition.
        value: as it stands in a message: `^` separates components unless it is written as an escape.

    Raises:
        BadEdit: the path is none, the message has no such segment, or the value would reach beyond it.
        NotTakable: the text has no MSH that names its delimiters.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise BadEdit(f"{path!r} is no path such as PID-3.1, OBR[2]-4 or PID-3[2].1.")
    segments = [line for line in text.splitlines() if line.strip()]
    delimiters = _header(text).delimiters
    _check_value(value, match, delimiters)
    having = [
        number for number, line in enumerate(segments) if line.split(delimiters.field)[0] == match["segment"]
    ]
    nth = int(match["nth"] or 1)
    if nth > len(having):
        raise BadEdit(f"The message has {len(having)} {match['segment']}, not {nth}.")
    place = having[nth - 1]
    segments[place] = _with_part(
        segments[place], delimiters.field, _column(match), _field(value, match, delimiters)
    )
    return "\n".join(segments)


def _field(value: str, match: re.Match[str], delimiters: Delimiters) -> Callable[[str], str]:
    """How the field changes: from the repetition inwards, as far as the path goes."""

    def change(old: str, levels: tuple[tuple[str, str | None], ...]) -> str:
        if not levels or levels[0][1] is None:
            return value
        (delimiter, number), *inner = levels
        return _with_part(old, delimiter, int(number or 1), lambda part: change(part, tuple(inner)))

    component = match["component"]
    repetition = match["repetition"] or ("1" if component else None)
    levels = (
        (delimiters.repetition, repetition),
        (delimiters.component, component),
        (delimiters.subcomponent, match["subcomponent"]),
    )
    return lambda old: change(old, levels)


def _with_part(text: str, delimiter: str, number: int, change: Callable[[str], str]) -> str:
    parts = text.split(delimiter)
    parts += [""] * (number - len(parts))
    parts[number - 1] = change(parts[number - 1])
    return delimiter.join(parts)


def _column(match: re.Match[str]) -> int:
    """Where the field stands in its segment, from 1: the name is first, MSH-1 the delimiter itself."""
    field = int(match["field"])
    if match["segment"] != "MSH":
        return field + 1
    if field <= 2:
        raise BadEdit("MSH-1 and MSH-2 name the delimiters; edit the whole message to change them.")
    return field


def _check_value(value: str, match: re.Match[str], delimiters: Delimiters) -> None:
    beyond = {"\r": "CR", "\n": "LF", delimiters.field: "F"}
    if match["repetition"] or match["component"]:
        beyond[delimiters.repetition] = "R"
    if match["component"]:
        beyond[delimiters.component] = "S"
    if match["subcomponent"]:
        beyond[delimiters.subcomponent] = "T"
    for character, name in beyond.items():
        if character in value:
            e = delimiters.escape
            raise BadEdit(f"The value holds a delimiter of more than {match[0]}; as text it is {e}{name}{e}.")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf_8")
    except UnicodeDecodeError:
        return False
    return True

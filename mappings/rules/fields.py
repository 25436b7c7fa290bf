"""Raw fields of a segment, changed part by part: what is not changed stays byte for byte as it came."""

from collections.abc import Callable

from mappings.hl7.ack import escape
from mappings.hl7.reader import NULL, Delimiters

ChangeRepetitions = Callable[[list[str]], list[str]]


def with_repetitions(
    line: list[str], field: int, delimiters: Delimiters, change: ChangeRepetitions
) -> list[str]:
    """The segment with the repetitions of a field changed; an empty or null field is left alone."""
    if field >= len(line) or line[field] in ("", NULL):
        return line
    changed = delimiters.repetition.join(change(line[field].split(delimiters.repetition)))
    return [*line[:field], changed, *line[field + 1 :]]


def with_component(raw: str, component: int, value: str, delimiters: Delimiters) -> str:
    """The repetition with a whole component set to the value, which is escaped."""
    return _with_part(raw, component, escape(value, delimiters), delimiters.component)


def with_subcomponent(raw: str, component: int, subcomponent: int, value: str, delimiters: Delimiters) -> str:
    """The repetition with one subcomponent set, the others of its component as they came."""
    whole = _part(raw, component, delimiters.component)
    changed = _with_part(whole, subcomponent, escape(value, delimiters), delimiters.subcomponent)
    return _with_part(raw, component, changed, delimiters.component)


def _part(text: str, number: int, delimiter: str) -> str:
    parts = text.split(delimiter)
    return parts[number - 1] if number <= len(parts) else ""


def _with_part(text: str, number: int, part: str, delimiter: str) -> str:
    parts = text.split(delimiter)
    parts += [""] * (number - len(parts))
    parts[number - 1] = part
    return delimiter.join(parts)

"""References inside a resource, and the order of resources that refer to each other."""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from mappings.fhir.publishing import Entry


class Circular(ValueError):
    """Resources refer to each other in a circle, so that none of them can be written before the others."""


def references_in(value: Any) -> Iterator[str]:
    """Every Reference.reference in the value."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name == "reference" and isinstance(part, str):
                yield part
            else:
                yield from references_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from references_in(part)


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The value with each reference that has another name called by that."""
    if isinstance(value, dict):
        return {
            key: names.get(part, part)
            if key == "reference" and isinstance(part, str)
            else renamed(part, names)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [renamed(part, names) for part in value]
    return value


def parts(entries: Sequence[Entry], most: int | None) -> list[list[Entry]]:
    """The entries in transactions of at most so many; each refers to its own and to earlier ones alone.

    Raises:
        Circular: there is no such order.
    """
    if most is None or len(entries) <= most:
        return [list(entries)] if entries else []
    by_name = {entry.name: entry for entry in entries}
    needs = {
        entry.name: [name for name in references_in(entry.resource) if name in by_name and name != entry.name]
        for entry in entries
    }
    try:
        ordered = [by_name[name] for name in TopologicalSorter(needs).static_order()]
    except CycleError:
        raise Circular(
            "the resources refer to each other in a circle, and have to be written together"
        ) from None
    return [ordered[start : start + most] for start in range(0, len(ordered), most)]

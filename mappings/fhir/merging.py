"""Our content and the server's in one resource: an update replaces the whole of it (R4 §3.1.0.4).

What others have written stays, element by element; of an element that we write, ours counts.
"""

from collections.abc import Set
from typing import Any

from mappings.fhir.datatypes import Element

_SERVERS_OWN = frozenset({"versionId", "lastUpdated"})
"""Of Resource.meta: the server sets them at each write."""


def merged(theirs: Element, ours: Element, *, written_before: Set[str] = frozenset()) -> Element:
    """What is to stand on the server.

    Args:
        theirs: as the server has it.
        ours: as it is mapped now.
        written_before: elements that we wrote last time; those we no longer have are removed.
    """
    kept = {
        name: value
        for name, value in theirs.items()
        if name in ours or name not in written_before or name == "identifier"
    }
    result = kept | ours
    if "identifier" in kept or "identifier" in ours:
        result["identifier"] = _identifiers(kept.get("identifier", []), ours.get("identifier", []))
    if "meta" in result:
        meta = theirs.get("meta", {}) | ours.get("meta", {})
        result["meta"] = {name: part for name, part in meta.items() if name not in _SERVERS_OWN}
    return {name: value for name, value in result.items() if value not in ({}, [])}


def _identifiers(theirs: list[Any], ours: list[Any]) -> list[Any]:
    """Ours, and what others have numbered it by: another system, so another kind of number."""
    systems = {identifier.get("system") for identifier in ours}
    return [*ours, *(identifier for identifier in theirs if identifier.get("system") not in systems)]


def same(theirs: Element, wanted: Element) -> bool:
    """Whether the server has it already, whatever its version and whenever it was written."""
    return merged(theirs, {}) == wanted

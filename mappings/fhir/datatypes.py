"""FHIR data types (R4 §2.24) as plain dicts. What is empty is left out: FHIR has no empty elements."""

import re
from datetime import UTC, datetime
from typing import Any

from mappings.fhir.codes import coding_system
from mappings.fhir.identifiers import system_uri
from radflow.model import CodedConcept

Element = dict[str, Any]

_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""Control characters that a FHIR string shall not contain: all but tab, carriage return and line feed."""


def filled(element: Element) -> Element:
    """The element without its empty parts, and without those that become empty by that."""
    parts = {name: _filled(value) for name, value in element.items()}
    return {name: value for name, value in parts.items() if value not in (None, "", [], {})}


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return filled(value)
    if isinstance(value, list):
        return [part for part in map(_filled, value) if part not in (None, "", [], {})]
    if isinstance(value, str):
        text = _UNSEEN.sub("", value)
        return text if text.strip() else ""
    return value


def instant(moment: datetime | None) -> str | None:
    """`instant` and `dateTime`, always in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def coding(system: str | None, code: str, display: str = "") -> Element:
    """`Coding`."""
    return filled({"system": system, "code": _code(code), "display": display})


def _code(value: str) -> str:
    """`code`: single spaces inside and none around it (R4 §2.24.0.1)."""
    return " ".join(_UNSEEN.sub("", value).split())


def codeable_concept(concept: CodedConcept, base: str) -> Element:
    """CWE → `CodeableConcept`; a concept without a code is its text alone."""
    if not _code(concept.code):
        return filled({"text": concept.display})
    system = coding_system(concept.system) or system_uri(concept.system, base)
    return filled(
        {"coding": [coding(system, concept.code, concept.display)], "text": concept.display or concept.code}
    )

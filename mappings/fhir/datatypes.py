"""FHIR data types (R4 §2.24) as plain dicts. What is empty is left out: FHIR has no empty elements."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from mappings.fhir.codes import TERMINOLOGY, coding_system, current_snomed
from mappings.fhir.identifiers import UNSEEN, system_uri
from radflow.model import CodedConcept

Element = dict[str, Any]


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
        text = UNSEEN.sub("", value)
        return text if text.strip() else ""
    return value


def instant(moment: datetime | None) -> str | None:
    """`instant` and `dateTime`, always in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def coding(system: str | None, code: str, display: str = "") -> Element:
    """`Coding`."""
    return filled({"system": system, "code": _code(code), "display": display})


def terminology(name: str, code: str, display: str = "") -> Element:
    """A `CodeableConcept` of one of HL7's own code systems, `v2-0203` or `v3-ParticipationType`."""
    return {"coding": [coding(f"{TERMINOLOGY}/{name}", code, display)]}


def _code(value: str) -> str:
    """`code`: single spaces inside and none around it (R4 §2.24.0.1)."""
    return " ".join(UNSEEN.sub("", value).split())


def codeable_concept(concept: CodedConcept | None, base: str) -> Element:
    """CWE → `CodeableConcept`; a concept without a code is its text alone."""
    return codeable_concepts([concept] if concept else [], base)


def codeable_concepts(concepts: Sequence[CodedConcept], base: str) -> Element:
    """One `CodeableConcept` of codes that mean the same: CWE-1 and CWE-4."""
    codes = [_coding(concept, base) for concept in concepts]
    text = next((concept.display or concept.code for concept in concepts), "")
    return filled({"coding": codes, "text": text})


def _coding(concept: CodedConcept, base: str) -> Element:
    if not _code(concept.code):
        return {}
    code, system = current_snomed(concept.code, concept.system)
    return coding(coding_system(system) or system_uri(system, base), code, concept.display)


def annotation(text: str) -> Element:
    """`Annotation`."""
    return {"text": text}

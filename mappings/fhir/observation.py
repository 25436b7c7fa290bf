"""Structured OBX → Observation (v2-to-FHIR: OBX[Observation])."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from mappings.fhir.codes import observation_status
from mappings.fhir.datatypes import (
    Element,
    annotation,
    codeable_concept,
    codeable_concepts,
    filled,
    instant,
    terminology,
)
from mappings.fhir.diagnostic_report import report_status
from mappings.fhir.identifiers import assigned_number, identifier, own_identifier
from mappings.fhir.people import Who, organization_reference
from mappings.fhir.quantities import quantity
from radflow.model import CodedConcept, Order, Report, ReportedObservation

IMAGING = terminology("observation-category", "imaging", "Imaging")
UNKNOWN = terminology("data-absent-reason", "unknown", "Unknown")

_COMPARATORS = frozenset({"<", "<=", ">", ">="})
_OF_THE_REPORT = {
    "registered": "registered", "partial": "preliminary", "preliminary": "preliminary", "final": "final",
    "appended": "final", "corrected": "corrected", "cancelled": "cancelled",
    "entered-in-error": "entered-in-error",
}  # fmt: skip
"""Status of the report → status of an observation that has none of its own."""


def observations(
    report: Report,
    order: Order,
    *,
    subject: str,
    based_on: str,
    derived_from: Sequence[str],
    who: Who,
    encounter: str | None,
    base: str,
) -> list[Element]:
    """One for each structured OBX of the report, withdrawn ones too: `entered-in-error`.

    The same OBX-3 and OBX-4 are the same Observation in every version of the report. `derived_from` refers to
    the images.
    """
    shared: Element = {
        "subject": {"reference": subject},
        "basedOn": [{"reference": based_on}],
        "encounter": {"reference": encounter} if encounter else None,
        "derivedFrom": [{"reference": study} for study in derived_from],
    }
    return [
        filled(
            {
                "resourceType": "Observation",
                "identifier": _identifiers(one, f"{order.key}/{name}", base),
                "status": _status(one, report),
                "category": [IMAGING],
                "code": codeable_concept(one.code, base) or {"text": "Observation"},
                "effectiveDateTime": instant(one.observed or report.observed),
                "issued": instant(report.issued),
                "performer": [who(one.observer), organization_reference(one.organization, base)],
                **_value(one, base),
                "interpretation": [_interpretation(code, base) for code in one.interpretations],
                "note": [annotation(note) for note in one.notes],
                "bodySite": codeable_concept(one.body_site, base),
                "method": codeable_concept(one.method, base),
                "device": _device(one, base),
                "referenceRange": [{"text": one.reference_range}],
                **shared,
            }
        )
        for name, one in _named(report.observations)
    ]


def _named(given: Sequence[ReportedObservation]) -> Iterator[tuple[str, ReportedObservation]]:
    """OBX-3 and OBX-4, and a number where they come again."""
    seen: Counter[str] = Counter()
    for one in given:
        name = "/".join((one.code.system, one.code.code or one.code.display, one.sub_id))
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name}/{seen[name]}"), one


def _identifiers(one: ReportedObservation, key: str, base: str) -> list[Element]:
    """Ours, by which it is found, and the filler's (OBX-21)."""
    filler = [identifier(one.identifier, "FILL", base)] if one.identifier else []
    return [own_identifier("observation", key, base), *filler]


def _status(one: ReportedObservation, report: Report) -> str:
    """OBX-11; empty, that of the report."""
    own = observation_status(one.status)
    return own or _OF_THE_REPORT.get(report_status(report), "unknown")


def _value(one: ReportedObservation, base: str) -> Element:
    value = filled(_choice(one, base))
    return value if value or "component" in value else {"dataAbsentReason": UNKNOWN}


def _choice(one: ReportedObservation, base: str) -> Element:
    """value[x], by OBX-2."""
    if one.number is not None:
        return _number(one)
    if one.numbers:
        code = codeable_concept(one.code, base) or {"text": "Observation"}
        return {"component": [{"code": code, "valueQuantity": quantity(n, one.unit)} for n in one.numbers]}
    choices = filled(
        {
            "valueCodeableConcept": codeable_concepts(one.codes, base),
            "valueDateTime": _date_time(one.moment, one.day),
            "valueTime": one.time_of_day,
            "valueString": one.text,
        }
    )
    return dict([*choices.items()][:1])


def _number(one: ReportedObservation) -> Element:
    """NM, SN: a Quantity, Range or Ratio, or in words where FHIR has no such thing (2+, <>)."""
    first, second = (quantity(number, one.unit) for number in (one.number, one.second_number))
    if one.separator == "-" and second:
        return {"valueRange": {"low": first, "high": second}}
    if one.separator in ("/", ":") and second:
        return {"valueRatio": {"numerator": first, "denominator": second}}
    comparator = one.comparator if one.comparator in _COMPARATORS else ""
    if one.separator or one.comparator not in ("", "=", comparator):
        return {"valueString": f"{one.comparator}{one.number}{one.separator}{_shown(one)}"}
    return {"valueQuantity": quantity(one.number, one.unit, comparator)}


def _shown(one: ReportedObservation) -> str:
    unit = one.unit.display or one.unit.code
    number = "" if one.second_number is None else str(one.second_number)
    return f"{number} {unit}" if unit else number


def _date_time(moment: datetime | None, day: str) -> str | None:
    return instant(moment) or day or None


def _interpretation(code: CodedConcept, base: str) -> Element:
    """HL7 table 0078, unless it says otherwise: v3's codes are the same."""
    if code.system and code.system not in ("HL70078", "0078"):
        return codeable_concept(code, base)
    return terminology("v3-ObservationInterpretation", code.code, code.display) if code.code else {}


def _device(one: ReportedObservation, base: str) -> Element:
    """OBX-18: a logical reference."""
    number = assigned_number(one.device, base, "device") if one.device else {}
    return {"type": "Device", "identifier": number} if number else {}

"""Observation → ReportedObservation: the reverse of `mappings.fhir.observation`."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from mappings.fhir import received
from mappings.fhir.received_codes import concept, identifier, unit
from mappings.tables import PACKAGED
from radflow.model import CodedConcept, Practitioner, ReportedObservation

_DATE_AND_TIME = "T"


def read_observation(
    one: received.Observation,
    sub_id: str,
    *,
    base: str,
    who: Callable[[received.Reference], Practitioner],
) -> Iterator[ReportedObservation]:
    """The observation's value, then those of its components; none where it has neither.

    Args:
        sub_id: names what belongs together (OBX-4).
        base: the site's URI for systems of identifiers.
        who: reads a physician.
    """
    shared = {
        "sub_id": sub_id,
        "status": PACKAGED.code("fhir-observation-status", one.status) or "",
        "observed": one.effectiveDateTime,
        "observer": next((who(reference) for reference in one.performer), Practitioner()),
        "method": concept(one.method, base),
        "device": identifier(one.device.identifier, base),
        "body_site": concept(one.bodySite, base),
        "identifier": next((found for each in one.identifier if (found := identifier(each, base))), None),
        "notes": tuple(note.text for note in one.note if note.text),
    }
    for part in (one, *one.component):
        if value := _value(part, base):
            yield ReportedObservation(
                code=concept(part.code, base),
                reference_range=next(map(_range, part.referenceRange), ""),
                interpretations=tuple(_interpretation(each, base) for each in part.interpretation),
                **shared | value,
            )


def _value(one: received.ObservationValue, base: str) -> dict[str, Any]:
    """OBX-2 and what OBX-5 is of that; empty where there is no value[x]."""
    if one.valueQuantity and one.valueQuantity.value is not None:
        kind = {"value_type": "SN", "comparator": one.valueQuantity.comparator}
        plain = {"value_type": "NM"}
        return {**(kind if one.valueQuantity.comparator else plain), **_number(one.valueQuantity)}
    if one.valueInteger is not None:
        return {"value_type": "NM", "number": Decimal(one.valueInteger)}
    if one.valueRange and one.valueRange.low.value is not None:
        return _two("-", one.valueRange.low, one.valueRange.high)
    if one.valueRatio and one.valueRatio.numerator.value is not None:
        return _two(":", one.valueRatio.numerator, one.valueRatio.denominator)
    return _coded_or_worded(one, base)


def _coded_or_worded(one: received.ObservationValue, base: str) -> dict[str, Any]:
    if one.valueCodeableConcept:
        return {"value_type": "CWE", "codes": (concept(one.valueCodeableConcept, base),)}
    if one.valueBoolean is not None:
        yes_or_no = CodedConcept(code="Y" if one.valueBoolean else "N", system="HL70136")
        return {"value_type": "CWE", "codes": (yes_or_no,)}
    if one.valueTime:
        return {"value_type": "TM", "time_of_day": one.valueTime[:8]}
    if _DATE_AND_TIME in one.valueDateTime:
        return {"value_type": "DTM", "moment": datetime.fromisoformat(one.valueDateTime)}
    if one.valueDateTime:
        return {"value_type": "DT", "day": one.valueDateTime}
    return {"value_type": "ST", "text": one.valueString} if one.valueString else {}


def _number(given: received.Quantity) -> dict[str, Any]:
    return {"number": given.value, "unit": unit(given)}


def _two(separator: str, first: received.Quantity, second: received.Quantity) -> dict[str, Any]:
    return {"value_type": "SN", **_number(first), "separator": separator, "second_number": second.value}


def _range(given: received.ReferenceRange) -> str:
    """OBX-7."""
    if given.text:
        return given.text
    low, high = (quantity.value for quantity in (given.low, given.high))
    if low is not None and high is not None:
        return f"{low}-{high}"
    return f">={low}" if low is not None else f"<={high}" if high is not None else ""


def _interpretation(given: received.CodeableConcept, base: str) -> CodedConcept:
    """HL7 table 0078 and v3's ObservationInterpretation have the same codes."""
    found = concept(given, base)
    return found.model_copy(update={"system": ""}) if "ObservationInterpretation" in found.system else found

"""R4 resources → R5, as far as radflow writes them (R5, "R4 → R5 changes" of each resource's page).

What is not named here is the same in both. R5 has no place for ImagingStudy.interpreter (the report has it),
nor for the images that a DocumentReference is about.
"""

from collections.abc import Callable, Mapping
from typing import Any

from mappings.fhir.datatypes import Element, filled

_ENCOUNTER_STATUS = {
    "finished": "completed", "arrived": "in-progress", "triaged": "in-progress", "onleave": "on-hold",
}  # fmt: skip
"""R4 encounter-status → R5, where it has another code."""

_MODIFIER = {"text": "Procedure modifier"}


def as_r5(bundle: Element) -> Element:
    """The transaction with each of its resources in R5."""
    types = {entry["fullUrl"]: entry["resource"]["resourceType"] for entry in bundle["entry"]}
    entries = [{**entry, "resource": _resource(entry["resource"], types)} for entry in bundle["entry"]]
    return {**bundle, "entry": entries}


def _resource(resource: Element, types: Mapping[str, str]) -> Element:
    name = resource["resourceType"]
    if name == "DocumentReference":
        return filled(_document_reference(dict(resource), types))
    change = _CHANGES.get(name)
    return filled(change(dict(resource))) if change else resource


def _encounter(one: Element) -> Element:
    one["class"] = [_concept(one["class"])]
    one["status"] = _ENCOUNTER_STATUS.get(one["status"], one["status"])
    one["actualPeriod"] = one.pop("period", None)
    one["participant"] = [
        {"type": each["type"], "actor": each["individual"]} for each in one.get("participant", [])
    ]
    return one


def _location(one: Element) -> Element:
    one["form"] = one.pop("physicalType")
    return one


def _organization(one: Element) -> Element:
    """Each address is a contact of its own; the telephone numbers are the first one's."""
    contacts: list[Element] = [{"address": each} for each in one.pop("address", [])]
    if telecom := one.pop("telecom", []):
        contacts[:1] = [{**(contacts[0] if contacts else {}), "telecom": telecom}]
    one["contact"] = contacts
    return one


def _service_request(one: Element) -> Element:
    one["code"] = _referable(one["code"]) if "code" in one else None
    one["orderDetail"] = [
        {"parameter": [{"code": _MODIFIER, "valueCodeableConcept": each}]}
        for each in one.get("orderDetail", [])
    ]
    one["location"] = [_referable(each) for each in one.pop("locationCode", [])]
    one["reason"] = [_referable(each) for each in one.pop("reasonCode", [])]
    return one


def _endpoint(one: Element) -> Element:
    one["connectionType"] = [_concept(one["connectionType"])]
    one["payload"] = [{"type": one.pop("payloadType"), "mimeType": one.pop("payloadMimeType")}]
    return one


def _imaging_study(one: Element) -> Element:
    one.pop("interpreter", None)
    one["modality"] = [_concept(each) for each in one.get("modality", [])]
    one["procedure"] = [_referable(each) for each in one.pop("procedureCode", [])]
    one["reason"] = [_referable(each) for each in one.pop("reasonCode", [])]
    one["series"] = [_series(dict(each)) for each in one.get("series", [])]
    return one


def _series(one: Element) -> Element:
    one["modality"] = _concept(one["modality"])
    if "bodySite" in one:
        one["bodySite"] = _referable(_concept(one["bodySite"]))
    if "laterality" in one:
        one["laterality"] = _concept(one["laterality"])
    return one


def _diagnostic_report(one: Element) -> Element:
    one["study"] = one.pop("imagingStudy", [])
    return one


def _document_reference(one: Element, types: Mapping[str, str]) -> Element:
    around: dict[str, Any] = one.pop("context", {})
    one["context"] = around.get("encounter", [])
    related = around.get("related", [])
    one["basedOn"] = [each for each in related if types.get(each["reference"]) == "ServiceRequest"]
    one["content"] = [
        {"attachment": each["attachment"], "profile": [{"valueCoding": each.get("format")}]}
        for each in one["content"]
    ]
    return one


def _concept(code: Element) -> Element:
    """A Coding as CodeableConcept; of one that is words alone, the words."""
    return {"coding": [code]} if code.keys() - {"display"} else {"text": code["display"]}


def _referable(concept: Element) -> Element:
    """A CodeableConcept as CodeableReference."""
    return {"concept": concept}


_CHANGES: Mapping[str, Callable[[Element], Element]] = {
    "Encounter": _encounter,
    "Location": _location,
    "Organization": _organization,
    "ServiceRequest": _service_request,
    "Endpoint": _endpoint,
    "ImagingStudy": _imaging_study,
    "DiagnosticReport": _diagnostic_report,
}

"""Is a transaction valid R4? What fhir.resources checks, and what it leaves: codes and reference targets."""

from collections.abc import Iterator
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from radflow.connectors.fhir_errors import FhirInvalid

REQUIRED_CODES: dict[tuple[str, str], frozenset[str]] = {
    # The required bindings of what radflow publishes (R4: administrative-gender, request-status, …).
    ("Patient", "gender"): frozenset({"male", "female", "other", "unknown"}),
    ("ServiceRequest", "status"): frozenset(
        {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"}
    ),
    ("ServiceRequest", "intent"): frozenset(
        {
            "proposal", "plan", "directive", "order", "original-order", "reflex-order", "filler-order",
            "instance-order", "option",
        }
    ),
    ("ServiceRequest", "priority"): frozenset({"routine", "urgent", "asap", "stat"}),
    ("ImagingStudy", "status"): frozenset(
        {"registered", "available", "cancelled", "entered-in-error", "unknown"}
    ),
    ("DiagnosticReport", "status"): frozenset(
        {
            "registered", "partial", "preliminary", "final", "amended", "corrected", "appended", "cancelled",
            "entered-in-error", "unknown",
        }
    ),
}  # fmt: skip

REFERENCE_TARGETS: dict[tuple[str, str], frozenset[str]] = {
    ("ServiceRequest", "subject"): frozenset({"Patient", "Group", "Location", "Device"}),
    ("ServiceRequest", "requester"): frozenset(
        {
            "Practitioner", "PractitionerRole", "Organization", "Patient", "RelatedPerson", "Device",
        }
    ),
    ("ImagingStudy", "subject"): frozenset({"Patient", "Device", "Group"}),
    ("ImagingStudy", "basedOn"): frozenset(
        {"CarePlan", "ServiceRequest", "Appointment", "AppointmentResponse", "Task"}
    ),
    ("DiagnosticReport", "subject"): frozenset({"Patient", "Group", "Device", "Location"}),
    ("DiagnosticReport", "basedOn"): frozenset(
        {
            "CarePlan", "ImmunizationRecommendation", "MedicationRequest", "NutritionOrder", "ServiceRequest",
        }
    ),
    ("DiagnosticReport", "imagingStudy"): frozenset({"ImagingStudy"}),
    ("DiagnosticReport", "resultsInterpreter"): frozenset(
        {"Practitioner", "PractitionerRole", "Organization", "CareTeam"}
    ),
}  # fmt: skip


def check(bundle: dict[str, Any]) -> None:
    """Accept a valid transaction.

    Raises:
        FhirInvalid: it is not; the text says where.
    """
    problems = [*_structure(bundle), *_codes(bundle), *_references(bundle)]
    if problems:
        raise FhirInvalid("not valid FHIR R4: " + "; ".join(problems))


def _structure(bundle: dict[str, Any]) -> Iterator[str]:
    try:
        # R4B is the version that the library has nearest to R4; these resources are the same in both.
        Bundle.model_validate(bundle)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            yield f"{'.'.join(map(str, problem['loc']))}: {problem['type']}"


def _codes(bundle: dict[str, Any]) -> Iterator[str]:
    for resource in _resources(bundle):
        for (resource_type, element), codes in REQUIRED_CODES.items():
            code = resource.get(element)
            if resource["resourceType"] == resource_type and code is not None and code not in codes:
                yield f"{resource_type}.{element}: not a code of the required value set"


def _references(bundle: dict[str, Any]) -> Iterator[str]:
    types = {entry.get("fullUrl"): entry["resource"]["resourceType"] for entry in bundle.get("entry", [])}
    for resource in _resources(bundle):
        for (resource_type, element), targets in REFERENCE_TARGETS.items():
            if resource["resourceType"] != resource_type:
                continue
            value = resource.get(element, [])
            for reference in value if isinstance(value, list) else [value]:
                if _target(reference, types) not in targets:
                    yield f"{resource_type}.{element}: not a reference to {' or '.join(sorted(targets))}"


def _target(reference: dict[str, Any], types: dict[Any, str]) -> str | None:
    """The type referred to: by `fullUrl` of an entry, by a relative URL, or by Reference.type."""
    url = reference.get("reference")
    if url is None:
        return reference.get("type")
    return types.get(url) if url.startswith("urn:") else url.split("/")[-2:][0]


def _resources(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in bundle.get("entry", [])]

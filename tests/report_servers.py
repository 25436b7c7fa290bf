"""DiagnosticReports on the tests' FHIR server, as a RIS of its own writes them there."""

from typing import Any

import httpx

from tests.peers_fhir import FhirServer

TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"


def write(server: FhirServer, resource: dict[str, Any]) -> dict[str, Any]:
    """Create the resource, or put it where it has an id; as the server has it then."""
    kind = resource["resourceType"]
    if "id" in resource:
        answer = httpx.put(f"{server.url}/{kind}/{resource['id']}", json=resource)
    else:
        answer = httpx.post(f"{server.url}/{kind}", json=resource)
    written: dict[str, Any] = answer.raise_for_status().json()
    return written


def a_report_resource(number: str = "P1", text: str = "No focal lesion.", **changes: Any) -> dict[str, Any]:
    """A final report on the order of this placer order number."""
    placer = {"type": {"coding": [{"system": TYPES, "code": "PLAC"}]}, "system": "urn:radflow:EHR"}
    return {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "24627-2", "display": "CT Chest"}]},
        "identifier": [{"system": "http://ris.example/reports", "value": f"R-{number}"}],
        "basedOn": [{"identifier": placer | {"value": number}}],
        "issued": "2026-11-24T12:00:00Z",
        "conclusion": text,
        **changes,
    }

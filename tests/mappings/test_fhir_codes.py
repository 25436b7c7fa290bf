"""The code tables: every code we may meet has its FHIR code."""

from typing import Any

import pytest
from pydicom.sr._concepts_dict import concepts

from mappings.fhir import codes
from mappings.tables import packaged
from radflow.connectors.fhir_rules import required_codes
from radflow.order import State


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_request_status(state: State) -> None:
    """A new state of an order cannot be forgotten in the table."""
    assert codes.service_request_status(state) in required_codes("ServiceRequest", "status")


@pytest.mark.parametrize(
    ("table", "element"),
    [
        ("administrative-gender", ("Patient", "gender")),
        ("diagnostic-report-status", ("DiagnosticReport", "status")),
        ("service-request-status", ("ServiceRequest", "status")),
        ("request-priority", ("ServiceRequest", "priority")),
        ("observation-status", ("Observation", "status")),
        ("encounter-status", ("Encounter", "status")),
        ("address-use", ("Address", "use")),
        ("address-type", ("Address", "type")),
        ("contact-point-use", ("ContactPoint", "use")),
        ("contact-point-system", ("ContactPoint", "system")),
    ],
)
def test_every_table_leads_to_codes_of_the_value_set(table: str, element: tuple[str, str]) -> None:
    """A misspelt code in a table is found here and not by a server."""
    assert {row[0] for row in packaged(table).values()} <= required_codes(*element)


@pytest.mark.parametrize(
    ("sent", "status"),
    [("O", "registered"), ("A", "partial"), ("P", "preliminary"), ("F", "final"), ("C", "corrected"),
     ("X", "cancelled"), ("?", "unknown"), ("", "unknown")],
)  # fmt: skip
def test_result_status(sent: str, status: str) -> None:
    """HL7 table 0123 as HL7's v2-to-FHIR guide maps it; DiagnosticReport.status is never empty."""
    assert codes.diagnostic_report_status(sent) == status


@pytest.mark.parametrize(("sent", "gender"), [("F", "female"), ("A", "other"), ("N", "other"), ("", None)])
def test_administrative_sex(sent: str, gender: str | None) -> None:
    """HL7 table 0001; what was not sent is not made up."""
    assert codes.administrative_gender(sent) == gender


def test_body_parts_are_those_of_dicom() -> None:
    """Every SNOMED code is one that DICOM itself has (PS3.16), with this meaning."""
    snomed: Any = concepts["SCT"]
    known = {(code, meaning) for named in snomed.values() for code, (meaning, _) in named.items()}
    table = packaged("body-part")
    assert len(table) > 100
    assert set(table.values()) <= known


@pytest.mark.parametrize(
    ("sent", "code"),
    [("CHEST", "816094009"), (" knee ", "72696002"), ("818981001", "818981001"), ("LEFT ELBOW OF JOE", None)],
)
def test_a_body_part(sent: str, code: str | None) -> None:
    """A defined term in any case, a SNOMED code in its place, or neither."""
    found = codes.body_part(sent)
    assert (found[0] if found else None) == code


@pytest.mark.parametrize(
    ("name", "uri"),
    [("LN", "http://loinc.org"), ("HL70078", "http://terminology.hl7.org/CodeSystem/v2-0078"), ("L", None)],
)
def test_a_coding_system(name: str, uri: str | None) -> None:
    """By HL7 table 0396; a table of HL7's own by its number."""
    assert codes.coding_system(name) == uri

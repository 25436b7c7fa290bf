"""The code tables: every code we may meet has its FHIR code."""

import csv

import pytest

from mappings.fhir import codes
from radflow.connectors.fhir_check import REQUIRED_CODES
from radflow.order import State


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_request_status(state: State) -> None:
    """A new state of an order cannot be forgotten in the table."""
    assert codes.service_request_status(state) in REQUIRED_CODES["ServiceRequest", "status"]


@pytest.mark.parametrize(
    ("table", "element"),
    [
        ("administrative-gender", ("Patient", "gender")),
        ("diagnostic-report-status", ("DiagnosticReport", "status")),
        ("service-request-status", ("ServiceRequest", "status")),
        ("request-priority", ("ServiceRequest", "priority")),
    ],
)
def test_every_table_leads_to_codes_of_the_value_set(table: str, element: tuple[str, str]) -> None:
    """A misspelt code in a table is found here and not by a server."""
    with (codes.TABLES / f"{table}.csv").open(newline="") as file:
        _, *rows = csv.reader(file)
    assert {row[1] for row in rows} <= REQUIRED_CODES[element]


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

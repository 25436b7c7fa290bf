"""The code tables: `mappings/tables/*.csv`, a v2 or DICOM code and the FHIR code it becomes, one a line.

Sources: HL7's v2-to-FHIR concept maps AdministrativeSex and ResultStatus, where those leave a gap
(0123 A, M and N) the nearest status that promises less; PS3.3 (0040,1003) for the priority.
"""

import csv
from functools import cache
from pathlib import Path

TABLES = Path(__file__).parent.parent / "tables"


@cache
def _rows(name: str) -> dict[str, tuple[str, ...]]:
    with (TABLES / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    return {code: tuple(rest) for code, *rest in rows}


def _code(table: str, code: str) -> str | None:
    row = _rows(table).get(code)
    return row[0] if row else None


def administrative_gender(sex: str) -> str | None:
    """HL7 table 0001 → Patient.gender."""
    return _code("administrative-gender", sex)


def diagnostic_report_status(status: str) -> str:
    """HL7 table 0123 (OBR-25) → DiagnosticReport.status, which is required: `unknown` for any other code."""
    return _code("diagnostic-report-status", status) or "unknown"


def service_request_status(state: str) -> str:
    """Where an order stands → ServiceRequest.status. Raises KeyError for what is no state."""
    return _rows("service-request-status")[state][0]


def request_priority(priority: str) -> str | None:
    """Requested Procedure Priority (0040,1003) → ServiceRequest.priority."""
    return _code("request-priority", priority)


def coding_system(name: str) -> str | None:
    """HL7 table 0396 → the URI of the code system; None for local systems (`L`, `99zzz`)."""
    return _code("coding-systems", name)


def laterality(code: str) -> tuple[str, ...] | None:
    """Laterality (0020,0060) → code and display of FHIR's value set bodysite-laterality (SNOMED CT)."""
    return _rows("laterality").get(code)

"""The code tables: `mappings/tables/*.csv`, a v2 or DICOM code and the FHIR code it becomes, one a line.

Sources: HL7's v2-to-FHIR concept maps. Where those leave a gap, the nearest status that promises less:
0123 A, M and N, 0085 I, N, O, R, S. PS3.3 (0040,1003) for the priority, PS3.16 table L-1 for body parts.
"""

import re

from pydicom.sr._snomed_dict import mapping as _snomed

from mappings.tables import PACKAGED, packaged

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_HL7_TABLE = re.compile(r"(?:HL7|HL7-)?(0\d{3})")
_RT_DESIGNATORS = frozenset({"SRT", "SNM3", "SNOMED-RT", "99SDM"})


def administrative_gender(sex: str) -> str | None:
    """HL7 table 0001 → Patient.gender."""
    return PACKAGED.code("administrative-gender", sex)


def diagnostic_report_status(status: str) -> str:
    """HL7 table 0123 (OBR-25) → DiagnosticReport.status, which is required: `unknown` for any other code."""
    return PACKAGED.code("diagnostic-report-status", status) or "unknown"


def observation_status(status: str) -> str | None:
    """HL7 table 0085 (OBX-11) → Observation.status."""
    return PACKAGED.code("observation-status", status)


def service_request_status(state: str) -> str:
    """Where an order stands → ServiceRequest.status. Raises KeyError for what is no state."""
    return packaged("service-request-status")[state][0]


def task_status(state: str) -> str:
    """Where an order stands → Task.status. Raises KeyError for what is no state."""
    return packaged("task-status")[state][0]


def request_priority(priority: str) -> str | None:
    """Requested Procedure Priority (0040,1003) → ServiceRequest.priority."""
    return PACKAGED.code("request-priority", priority)


def coding_system(name: str) -> str | None:
    """HL7 table 0396 → the URI of the code system; None for local systems (`L`, `99zzz`)."""
    table = _HL7_TABLE.fullmatch(name)
    return f"{TERMINOLOGY}/v2-{table[1]}" if table else PACKAGED.code("coding-systems", name)


def current_snomed(code: str, system: str) -> tuple[str, str]:
    """A retired SNOMED RT code (`T-28000`, SRT) as the SNOMED CT code it is, where DICOM knows which."""
    concept = _snomed["SRT"].get(code) if system in _RT_DESIGNATORS else None
    return (concept, "SCT") if concept else (code, system)


def laterality(code: str) -> tuple[str, ...] | None:
    """Laterality (0020,0060) → code and display of FHIR's value set bodysite-laterality (SNOMED CT)."""
    return PACKAGED.row("laterality", code)


def body_part(examined: str) -> tuple[str, str] | None:
    """Body Part Examined (0018,0015) → SNOMED CT code and its display.

    Some archives hold the SNOMED code itself there: it is taken as that, if DICOM uses it for a body part.
    """
    name = examined.strip().upper()
    row = PACKAGED.row("body-part", name)
    if row:
        return row[0], row[1]
    return next(((code, display) for code, display in packaged("body-part").values() if code == name), None)


def ucum(unit: str) -> str | None:
    """A unit as it is written in text → UCUM."""
    return PACKAGED.code("ucum-units", unit.strip())

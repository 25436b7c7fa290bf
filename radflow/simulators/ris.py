"""The simulated RIS: reads a study and reports it as ORU^R01 (IHE RAD-28)."""

from collections.abc import Iterator
from datetime import datetime

from pydicom import Dataset

_OBSERVATION = "18748-4^Diagnostic imaging study^LN"
_READER = "88&Hartmann&Jörg"


def report(images: Dataset, now: datetime, status: str = "F", *fellows: Dataset) -> bytes:
    """The report of a study, written from what its images say.

    Args:
        images: any instance of the study, or the worklist answer it was made from.
        now: an aware time in the site's zone.
        status: OBR-25, HL7 table 0123: P preliminary, F final, C corrected.
        fellows: what else the study fulfils (group case): an OBR each.
    """
    at = f"{now:%Y%m%d%H%M%S}"
    born, sex = images.get("PatientBirthDate", ""), images.get("PatientSex", "")
    control_id = f"R{images.AccessionNumber}{status}"
    segments = [
        rf"MSH|^~\&|RIS|RADIOLOGY|RADFLOW||{at}||ORU^R01^ORU_R01|{control_id}|P|2.5.1||||||UNICODE UTF-8",
        f"PID|1||{images.PatientID}||{images.PatientName}||{born}|{sex}",
    ]
    for number, each in enumerate((images, *fellows), start=1):
        segments += _result(number, each, at, status)
    return "\r".join(segments).encode() + b"\r"


def _result(number: int, images: Dataset, at: str, status: str) -> Iterator[str]:
    accession, uid = images.AccessionNumber, images.StudyInstanceUID
    procedure = images.get("RequestedProcedureDescription") or images.get("StudyDescription", "")
    yield (
        f"OBR|{number}|||{procedure}^{procedure}^L|||{at}|||||||||||{accession}||||{at}|||{status}"
        f"|||||||{_READER}"
    )
    yield f"OBX|1|ST|113014^DICOM Study^DCM||{uid}||||||{status}"
    yield f"OBX|2|TX|{_OBSERVATION}||Findings: no focal abnormality.||||||{status}"
    impression = _IMPRESSIONS.get(status, "normal examination")
    yield f"OBX|3|TX|{_OBSERVATION}||Impression: {impression}.||||||{status}"


_IMPRESSIONS = {"C": "normal examination; the side is corrected"}
"""By OBR-25: what a corrected report says is another thing."""

"""The simulated RIS: reads a study and reports it as ORU^R01 (IHE RAD-28)."""

from datetime import datetime

from pydicom import Dataset


def report(images: Dataset, now: datetime, status: str = "F") -> bytes:
    """The report of a study, written from what its images say.

    Args:
        images: any instance of the study, or the worklist answer it was made from.
        now: an aware time in the site's zone.
        status: OBR-25, HL7 table 0123: P preliminary, F final, C corrected.
    """
    at = f"{now:%Y%m%d%H%M%S}"
    accession, uid = images.AccessionNumber, images.StudyInstanceUID
    procedure = images.get("RequestedProcedureDescription") or images.get("StudyDescription", "")
    born, sex = images.get("PatientBirthDate", ""), images.get("PatientSex", "")
    control_id, reader = f"R{accession}{status}", "88&Hartmann&Jörg"
    observation = "18748-4^Diagnostic imaging study^LN"
    segments = (
        rf"MSH|^~\&|RIS|RADIOLOGY|RADFLOW||{at}||ORU^R01^ORU_R01|{control_id}|P|2.5.1||||||UNICODE UTF-8",
        f"PID|1||{images.PatientID}||{images.PatientName}||{born}|{sex}",
        f"OBR|1|||{procedure}^{procedure}^L|||{at}|||||||||||{accession}||||{at}|||{status}|||||||{reader}",
        f"OBX|1|ST|113014^DICOM Study^DCM||{uid}||||||{status}",
        f"OBX|2|TX|{observation}||Findings: no focal abnormality.||||||{status}",
        f"OBX|3|TX|{observation}||Impression: normal examination.||||||{status}",
    )
    return "\r".join(segments).encode() + b"\r"

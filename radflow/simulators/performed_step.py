"""A modality that tells of what it performs: MPPS N-CREATE and N-SET (IHE RAD-6, RAD-7; PS3.4 annex F)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom.sop_class import ModalityPerformedProcedureStep  # type: ignore[attr-defined]

from radflow.simulators.modality import ModalityError, connected

_EMPTY = (
    "ReferencedPatientSequence", "PerformedStationName", "PerformedLocation",
    "PerformedProcedureStepDescription", "PerformedProcedureTypeDescription",
    "ProcedureCodeSequence", "PerformedProcedureStepEndDate",
    "PerformedProcedureStepEndTime", "StudyID", "PerformedProtocolCodeSequence", "PerformedSeriesSequence",
    "PerformedProcedureStepDiscontinuationReasonCodeSequence",
)  # fmt: skip
"""Of type 2 in an N-CREATE (PS3.4 table F.7.2-1)."""
_OF_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")


def begin(
    items: Sequence[Dataset],
    at: datetime,
    host: str,
    port: int,
    ae_title: str,
    *,
    study_uid: str = "",
    attempt: int = 1,
) -> str:
    """Say that the steps of these worklist items, several in a group case, are being performed.

    Args:
        at: local time of the modality.
        study_uid: of the study that is made; empty: of the first item.
        attempt: another number is another performed step of the same items.

    Returns:
        The SOP Instance UID of the performed step.

    Raises:
        ModalityError: the step is not taken.
    """
    first = items[0]
    station = str(first.ScheduledProcedureStepSequence[0].get("ScheduledStationAETitle") or "MODALITY")
    step = Dataset()
    for keyword in _EMPTY:
        setattr(step, keyword, [] if keyword.endswith("Sequence") else "")
    step.SpecificCharacterSet = first.get("SpecificCharacterSet") or "ISO_IR 100"
    for keyword in _OF_PATIENT:
        setattr(step, keyword, first.get(keyword, ""))
    made_in = study_uid or str(first.StudyInstanceUID)
    step.ScheduledStepAttributesSequence = [_scheduled(item, made_in) for item in items]
    step.PerformedProcedureStepID = f"P{at:%H%M%S}"
    step.PerformedStationAETitle = station
    step.PerformedProcedureStepStartDate = f"{at:%Y%m%d}"
    step.PerformedProcedureStepStartTime = f"{at:%H%M%S}"
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    step.Modality = first.ScheduledProcedureStepSequence[0].Modality
    uid = generate_uid(entropy_srcs=[made_in, str(attempt), *(str(item.AccessionNumber) for item in items)])
    with connected(host, port, ae_title, "MODALITY", [ModalityPerformedProcedureStep]) as association:
        status, _ = association.send_n_create(step, ModalityPerformedProcedureStep, uid)
    if status.get("Status") != 0x0000:
        raise ModalityError(f"MPPS: N-CREATE status {status.get('Status')}")
    return str(uid)


def end(
    uid: str,
    images: Iterable[Dataset],
    at: datetime,
    host: str,
    port: int,
    ae_title: str,
    *,
    status: str = "COMPLETED",
) -> None:
    """Say that the step is over, and with which images.

    Args:
        status: COMPLETED or DISCONTINUED.

    Raises:
        ModalityError: it is not taken.
    """
    changes = Dataset()
    changes.PerformedProcedureStepStatus = status
    changes.PerformedProcedureStepEndDate = f"{at:%Y%m%d}"
    changes.PerformedProcedureStepEndTime = f"{at:%H%M%S}"
    by_series = groupby(images, key=lambda image: str(image.SeriesInstanceUID))
    # Of type 1 at the end: what was given up before the first image has a series all the same.
    changes.PerformedSeriesSequence = [_series(series, list(members)) for series, members in by_series] or [
        _series(generate_uid(entropy_srcs=[uid]), [])
    ]
    with connected(host, port, ae_title, "MODALITY", [ModalityPerformedProcedureStep]) as association:
        answer, _ = association.send_n_set(changes, ModalityPerformedProcedureStep, uid)
    if answer.get("Status") != 0x0000:
        raise ModalityError(f"MPPS: N-SET status {answer.get('Status')}")


def _scheduled(item: Dataset, study_uid: str) -> Dataset:
    """An item of the Scheduled Step Attributes Sequence (0040,0270), copied from the worklist."""
    step = item.ScheduledProcedureStepSequence[0]
    scheduled = Dataset()
    scheduled.StudyInstanceUID = study_uid
    scheduled.ReferencedStudySequence = []
    scheduled.AccessionNumber = item.AccessionNumber
    scheduled.RequestedProcedureID = item.RequestedProcedureID
    scheduled.RequestedProcedureDescription = item.RequestedProcedureDescription
    scheduled.ScheduledProcedureStepID = step.ScheduledProcedureStepID
    scheduled.ScheduledProcedureStepDescription = step.get("ScheduledProcedureStepDescription", "")
    scheduled.ScheduledProtocolCodeSequence = []
    return scheduled


def _series(uid: str, images: Sequence[Dataset]) -> Dataset:
    series = Dataset()
    for keyword in ("PerformingPhysicianName", "ProtocolName", "OperatorsName", "RetrieveAETitle"):
        setattr(series, keyword, "")
    series.ProtocolName = "Standard"
    series.SeriesInstanceUID = uid
    series.SeriesDescription = images[0].get("SeriesDescription", "") if images else ""
    series.ReferencedImageSequence = [_reference(image) for image in images]
    series.ReferencedNonImageCompositeSOPInstanceSequence = []
    return series


def _reference(image: Dataset) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return reference

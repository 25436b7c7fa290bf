"""Which attributes a performed step must have: PS3.4 table F.7.2-1."""

from collections.abc import Iterable
from datetime import UTC
from typing import Literal

from pydicom import Dataset
from pydicom.tag import Tag

from mappings.dicom.sr.times import moment

Strictness = Literal["all", "status"]
"""Whether all that the table requires is asked for, or only what radflow cannot do without: the status."""

# Statuses of N-CREATE and N-SET, PS3.7 annex C.
_INVALID_ATTRIBUTE_VALUE = 0x0106
_MISSING_ATTRIBUTE = 0x0120
_MISSING_ATTRIBUTE_VALUE = 0x0121

Types = dict[str, int]
"""Keyword → type: 1 has a value, 2 is there and may be empty (PS3.5 §7.4)."""

_STEP: Types = {
    "ScheduledStepAttributesSequence": 1,
    "PatientName": 2,
    "PatientID": 2,
    "PatientBirthDate": 2,
    "PatientSex": 2,
    "ReferencedPatientSequence": 2,
    "PerformedProcedureStepID": 1,
    "PerformedStationAETitle": 1,
    "PerformedStationName": 2,
    "PerformedLocation": 2,
    "PerformedProcedureStepStartDate": 1,
    "PerformedProcedureStepStartTime": 1,
    "PerformedProcedureStepStatus": 1,
    "PerformedProcedureStepDescription": 2,
    "PerformedProcedureTypeDescription": 2,
    "ProcedureCodeSequence": 2,
    "PerformedProcedureStepEndDate": 2,
    "PerformedProcedureStepEndTime": 2,
    "Modality": 1,
    "StudyID": 2,
    "PerformedProtocolCodeSequence": 2,
    "PerformedSeriesSequence": 2,
}
_SCHEDULED: Types = {
    "StudyInstanceUID": 1,
    "ReferencedStudySequence": 2,
    "AccessionNumber": 2,
    "RequestedProcedureID": 2,
    "RequestedProcedureDescription": 2,
    "ScheduledProcedureStepID": 2,
    "ScheduledProcedureStepDescription": 2,
    "ScheduledProtocolCodeSequence": 2,
}
_SERIES: Types = {
    "PerformingPhysicianName": 2,
    "ProtocolName": 1,
    "OperatorsName": 2,
    "SeriesInstanceUID": 1,
    "SeriesDescription": 2,
    "RetrieveAETitle": 2,
    "ReferencedImageSequence": 2,
    "ReferencedNonImageCompositeSOPInstanceSequence": 2,
}
_FINAL: Types = {
    "PerformedProcedureStepEndDate": 1,
    "PerformedProcedureStepEndTime": 1,
    "PerformedSeriesSequence": 1,
}
_MOMENTS = ("PerformedProcedureStepStart", "PerformedProcedureStepEnd")

NOT_SET = frozenset(
    f"{Tag(keyword):08X}"
    for keyword in (
        "ScheduledStepAttributesSequence", "PatientName", "PatientID", "IssuerOfPatientID",
        "IssuerOfPatientIDQualifiersSequence", "OtherPatientIDsSequence", "PatientBirthDate", "PatientSex",
        "ReferencedPatientSequence", "AdmissionID", "IssuerOfAdmissionIDSequence", "ServiceEpisodeID",
        "IssuerOfServiceEpisodeIDSequence", "ServiceEpisodeDescription", "PerformedProcedureStepID",
        "PerformedStationAETitle", "PerformedStationName", "PerformedLocation",
        "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime", "Modality", "StudyID",
    )
)  # fmt: skip
"""Tags, as in DICOM JSON, that an N-SET may not bring (`Not allowed` in the table)."""


class NotTaken(ValueError):
    """An N-CREATE or N-SET is refused: the status, and the Error Comment and Error ID that go with it."""

    def __init__(self, status: int, comment: str, *, error_id: int | None = None) -> None:
        # Error Comment (0000,0902) is LO.
        super().__init__(comment[:64])
        self.status = status
        self.error_id = error_id


def check_created(step: Dataset, strictness: Strictness) -> None:
    """See that a new step has what it must.

    Raises:
        NotTaken: an attribute is missing (0x0120), has no value (0x0121) or a wrong one (0x0106).
    """
    if strictness == "all":
        check_types([step], _STEP)
        check_types(step.ScheduledStepAttributesSequence, _SCHEDULED)
        check_types(step.PerformedSeriesSequence or (), _SERIES)
        _check_moments(step)


def check_final(step: Dataset, strictness: Strictness) -> None:
    """See that a step that ends has what it must then (column Final State). Raises as `check_created`."""
    if strictness == "all":
        check_types([step], _FINAL)
        check_types(step.PerformedSeriesSequence, _SERIES)
        _check_moments(step)


def check_types(items: Iterable[Dataset], types: Types) -> None:
    """See that each has what is required. Raises NotTaken, as `check_created`."""
    for item in items:
        for keyword, kind in types.items():
            if keyword not in item:
                raise NotTaken(_MISSING_ATTRIBUTE, f"{_named(keyword)} is missing")
            if kind == 1 and not item[keyword].value:
                raise NotTaken(_MISSING_ATTRIBUTE_VALUE, f"{_named(keyword)} has no value")


def _check_moments(step: Dataset) -> None:
    for what in _MOMENTS:
        sent = [str(step.get(f"{what}{part}") or "") for part in ("Date", "Time")]
        if any(sent) and moment("".join(sent), UTC) is None:
            raise NotTaken(_INVALID_ATTRIBUTE_VALUE, f"{_named(f'{what}Date')} and Time are no time")


def _named(keyword: str) -> str:
    """The tag and the keyword: `(0040,0253) PerformedProcedureStepID`."""
    tag = Tag(keyword)
    return f"({tag.group:04X},{tag.element:04X}) {keyword}"

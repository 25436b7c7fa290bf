"""Modality Performed Procedure Step (PS3.4 annex F, PS3.3 table B.17.2-1): what is taken, and what it says.

The step is kept as DICOM JSON (PS3.18 annex F), where texts are Unicode: an N-SET may come in another
character set than the N-CREATE before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydicom import Dataset

from mappings.dicom.mpps_attributes import NOT_SET, NotTaken, Strictness, check_created, check_final
from mappings.dicom.sr.times import moment, offset

IN_PROGRESS, COMPLETED, DISCONTINUED = "IN PROGRESS", "COMPLETED", "DISCONTINUED"
"""Performed Procedure Step Status (0040,0252), PS3.3 table C.4-14."""
FINAL = frozenset({COMPLETED, DISCONTINUED})

# Statuses of N-CREATE and N-SET, PS3.7 annex C.
INVALID_ATTRIBUTE_VALUE = 0x0106
PROCESSING_FAILURE = 0x0110
NO_LONGER_UPDATED = 0xA710
"""Error ID (0000,0903) of PS3.4 table F.7.2-2."""

Json = dict[str, Any]


@dataclass(frozen=True)
class ScheduledStep:
    """An item of the Scheduled Step Attributes Sequence (0040,0270): what of whose order is performed."""

    study_instance_uids: tuple[str, ...] = ()
    """(0020,000D); of a group case also those in the Referenced Study Sequence (0008,1110)."""
    accession_number: str = ""
    requested_procedure_id: str = ""
    step_id: str = ""
    """Scheduled Procedure Step ID (0040,0009)."""


@dataclass(frozen=True)
class PerformedStep:
    """What a performed step says."""

    status: str
    step_id: str
    """Performed Procedure Step ID (0040,0253)."""
    station_ae_title: str
    modality: str
    patient_id: str
    scheduled: tuple[ScheduledStep, ...]
    started: datetime | None
    """(0040,0244), (0040,0245), in UTC; None where it is no time."""
    ended: datetime | None
    series: int
    instances: int
    """Images and other composite instances in the Performed Series Sequence (0040,0340)."""
    discontinued_because: str
    """Code of the Discontinuation Reason (0040,0281), PS3.16 CID 9300; empty where none is told."""


def created(attributes: Dataset, strictness: Strictness = "all") -> Json:
    """What an N-CREATE brings, to be kept.

    Raises:
        NotTaken: it is not as PS3.4 table F.7.2-1 wants it.
    """
    step = _json(attributes)
    if (status := _status(attributes)) != IN_PROGRESS:
        raise NotTaken(INVALID_ATTRIBUTE_VALUE, f"status {status[:16] or '(none)'} is not {IN_PROGRESS}")
    check_created(attributes, strictness)
    return step


def updated(known: Json, modifications: Dataset, strictness: Strictness = "all") -> Json:
    """The step after an N-SET. What may not be set after creation stays as it was (table F.7.2-1).

    Raises:
        NotTaken: the step has ended, or the N-SET is not as the table wants it.
    """
    before = Dataset.from_json(known)
    if _status(before) in FINAL:
        comment = "Performed Procedure Step Object may no longer be updated"
        raise NotTaken(PROCESSING_FAILURE, comment, error_id=NO_LONGER_UPDATED)
    changes = {tag: value for tag, value in _json(modifications).items() if tag not in NOT_SET}
    after = {**known, **changes}
    step = Dataset.from_json(after)
    status = _status(step)
    if status not in FINAL | {IN_PROGRESS}:
        raise NotTaken(INVALID_ATTRIBUTE_VALUE, f"{status[:16] or '(none)'} is no status of a performed step")
    if status in FINAL:
        check_final(step, strictness)
    return after


def read(step: Json, zone: ZoneInfo) -> PerformedStep:
    """What a step that is kept says; its local times are in this zone unless it tells another."""
    dataset = Dataset.from_json(step)
    at = offset(_text(dataset, "TimezoneOffsetFromUTC")) or zone
    reason = next(iter(_items(dataset, "PerformedProcedureStepDiscontinuationReasonCodeSequence")), Dataset())
    series = list(_items(dataset, "PerformedSeriesSequence"))
    return PerformedStep(
        status=_status(dataset),
        step_id=_text(dataset, "PerformedProcedureStepID"),
        station_ae_title=_text(dataset, "PerformedStationAETitle"),
        modality=_text(dataset, "Modality"),
        patient_id=_text(dataset, "PatientID"),
        scheduled=tuple(_scheduled(item) for item in _items(dataset, "ScheduledStepAttributesSequence")),
        started=moment(_date_time(dataset, "PerformedProcedureStepStart"), at),
        ended=moment(_date_time(dataset, "PerformedProcedureStepEnd"), at),
        series=len(series),
        instances=sum(_instances(one) for one in series),
        discontinued_because=_text(reason, "CodeValue") or _text(reason, "LongCodeValue"),
    )


def _scheduled(item: Dataset) -> ScheduledStep:
    referenced = (_text(one, "ReferencedSOPInstanceUID") for one in _items(item, "ReferencedStudySequence"))
    uids = (_text(item, "StudyInstanceUID"), *referenced)
    return ScheduledStep(
        study_instance_uids=tuple(dict.fromkeys(filter(None, uids))),
        accession_number=_text(item, "AccessionNumber"),
        requested_procedure_id=_text(item, "RequestedProcedureID"),
        step_id=_text(item, "ScheduledProcedureStepID"),
    )


def _instances(series: Dataset) -> int:
    sequences = ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence")
    return sum(len(list(_items(series, keyword))) for keyword in sequences)


def _json(dataset: Dataset) -> Json:
    """As DICOM JSON; every value is read here, and one that is none is found."""
    try:
        json: Json = dataset.to_json_dict()
        # What is kept says in which set it is written: none but Unicode.
        json.pop("00080005", None)
        Dataset.from_json(json)
    except Exception as error:
        # pydicom raises whatever a wrong value has met on its way.
        raise NotTaken(INVALID_ATTRIBUTE_VALUE, "an attribute cannot be read") from error
    return json


def _status(dataset: Dataset) -> str:
    return _text(dataset, "PerformedProcedureStepStatus")


def _date_time(dataset: Dataset, what: str) -> str:
    return _text(dataset, f"{what}Date") + _text(dataset, f"{what}Time")


def _items(dataset: Dataset, keyword: str) -> Iterator[Dataset]:
    value = dataset.get(keyword)
    return iter(value if isinstance(value, list) or hasattr(value, "__iter__") else ())


def _text(dataset: Dataset, keyword: str) -> str:
    """The value as text, without NUL, which no text in PostgreSQL holds."""
    value = dataset.get(keyword)
    return "" if value is None else str(value).replace("\0", "").strip()

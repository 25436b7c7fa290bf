"""Order → modality worklist items: the keys of DICOM PS3.4 table K.6-1 that an order knows."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydicom import Dataset

from mappings.dicom.names import to_pn
from radflow.model import CodedConcept, Identifier, Order, Practitioner, ScheduledProcedureStep

PATIENT_SEX = {"F": "F", "M": "M", "O": "O", "A": "O", "N": "O"}
"""HL7 table 0001 → Patient's Sex (0010,0040): unknown is empty, ambiguous and not applicable are other."""

_SH, _LO, _AE, _CS = 16, 64, 16, 16
"""Most characters of these value representations (PS3.5 table 6.2-1)."""

_NOT_IN_A_VALUE = re.compile(r"[\\\x00-\x1f]")


Stations = Callable[[str], Sequence[str]]
"""Modality → the AE titles of the stations that acquire it."""


def worklist_items(
    order: Order, zone: ZoneInfo, stations: Stations = lambda _: (), placed: datetime | None = None
) -> list[Dataset]:
    """One worklist item for each scheduled procedure step.

    Args:
        order: What was ordered.
        zone: The site's; dates and times are local to it.
        stations: Where a step is scheduled that names no station: any that acquires its modality.
        placed: When the order came: it is due then where it says neither this nor when it was requested.
    """
    due = order.requested_at or placed
    return [_item(order, step, zone, stations, step.start or due) for step in order.steps]


def _item(
    order: Order, step: ScheduledProcedureStep, zone: ZoneInfo, stations: Stations, start: datetime | None
) -> Dataset:
    item = Dataset()
    _patient(item, order)
    _imaging_service_request(item, order)
    _requested_procedure(item, order)
    local = start.astimezone(zone) if start else None
    item.ScheduledProcedureStepSequence = [_step(order, step, stations, local)]
    if not all(str(element.value).isascii() for element in item.iterall()):
        item.SpecificCharacterSet = "ISO_IR 192"
    return item


def _patient(item: Dataset, order: Order) -> None:
    patient = order.patient
    item.PatientName = to_pn(patient.name)
    item.PatientID = _text(patient.identifiers[0].value, _LO)
    item.IssuerOfPatientID = _text(patient.identifiers[0].assigner, _LO)
    item.PatientBirthDate = f"{patient.birth_date:%Y%m%d}" if patient.birth_date else ""
    item.PatientSex = PATIENT_SEX.get(patient.sex, "")
    item.AdmissionID = _identifier(order.visit_number, _LO)


def _imaging_service_request(item: Dataset, order: Order) -> None:
    item.AccessionNumber = _text(order.accession_number, _SH)
    item.ReferringPhysicianName = _name(order.referring_physician)
    item.RequestingPhysician = _name(order.requesting_physician)
    item.PlacerOrderNumberImagingServiceRequest = _identifier(order.placer_order_number, _LO)
    item.FillerOrderNumberImagingServiceRequest = _identifier(order.filler_order_number, _LO)


def _requested_procedure(item: Dataset, order: Order) -> None:
    item.StudyInstanceUID = order.study_instance_uid
    item.RequestedProcedureID = _text(order.requested_procedure_id, _SH)
    item.RequestedProcedureDescription = _text(order.procedure.display, _LO)
    item.RequestedProcedureCodeSequence = _codes(order.procedure)
    item.RequestedProcedurePriority = order.priority
    item.ReasonForTheRequestedProcedure = _text(order.reason, _LO)
    item.ReferencedStudySequence = []


def _step(order: Order, step: ScheduledProcedureStep, stations: Stations, start: datetime | None) -> Dataset:
    """`start` is local; its date and time are type 1, and what a day's query goes by."""
    item = Dataset()
    item.Modality = _text(step.modality, _CS)
    item.ScheduledStationAETitle = [
        _text(title, _AE) for title in step.station_aet or stations(step.modality)
    ]
    item.ScheduledProcedureStepStartDate = _date(start)
    item.ScheduledProcedureStepStartTime = _time(start)
    item.ScheduledPerformingPhysicianName = _name(step.performing_physician)
    item.ScheduledProcedureStepDescription = _text(step.protocol.display or order.procedure.display, _LO)
    item.ScheduledProtocolCodeSequence = _codes(step.protocol)
    item.ScheduledProcedureStepID = _text(step.step_id, _SH)
    item.ScheduledStationName = _text(step.station_name, _SH)
    item.ScheduledProcedureStepLocation = _text(step.location, _SH)
    item.ScheduledProcedureStepStatus = "SCHEDULED"
    return item


def _codes(concept: CodedConcept) -> list[Dataset]:
    """A code sequence of one item (PS3.3 table 8.8-1), or of none where there is no code."""
    if not concept.code:
        return []
    item = Dataset()
    # Code Value (0008,0100) is SH; a longer code goes to Long Code Value (0008,0119), UC.
    setattr(item, "CodeValue" if len(concept.code) <= _SH else "LongCodeValue", _text(concept.code))
    item.CodingSchemeDesignator = _text(concept.system, _SH) or "L"
    item.CodeMeaning = _text(concept.display or concept.code, _LO)
    return [item]


def _name(practitioner: Practitioner) -> str:
    return to_pn(practitioner.name)


def _identifier(identifier: Identifier | None, limit: int) -> str:
    return _text(identifier.value, limit) if identifier else ""


def _date(time: datetime | None) -> str:
    return f"{time:%Y%m%d}" if time else ""


def _time(time: datetime | None) -> str:
    return f"{time:%H%M%S}" if time else ""


def _text(value: str, limit: int | None = None) -> Any:
    """The text without the value delimiter and control characters, cut to what its VR holds."""
    return _NOT_IN_A_VALUE.sub(" ", value).strip()[:limit]

"""A modality for tests: its performed procedure steps over a real association."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom.association import Association
from pynetdicom.sop_class import ModalityPerformedProcedureStep  # type: ignore[attr-defined]

from radflow.model import Order
from tests.services.worklisted import association


@dataclass
class Modality:
    """What it sends, and the status of each answer."""

    opened: Association

    def create(self, attributes: Dataset, uid: str | None = None) -> tuple[str, Dataset]:
        """N-CREATE; the SOP Instance UID and the answer."""
        uid = uid or generate_uid()
        status, _ = self.opened.send_n_create(attributes, ModalityPerformedProcedureStep, uid)
        return uid, status

    def set(self, uid: str, attributes: Dataset) -> Dataset:
        """N-SET; the answer."""
        status, _ = self.opened.send_n_set(attributes, ModalityPerformedProcedureStep, uid)
        return status

    def begin(self, *orders: Order, **changes: Any) -> str:
        """Begin a step that performs these orders; its UID."""
        uid, status = self.create(a_step(*(scheduled(order) for order in orders), **changes))
        assert status.Status == 0x0000, status
        return uid

    def end(self, uid: str, status: str = "COMPLETED", images: int = 2) -> None:
        """End it with so many images."""
        answer = self.set(uid, an_end(status, images))
        assert answer.Status == 0x0000, answer


@contextmanager
def modality(port: int) -> Iterator[Modality]:
    with association(port, ModalityPerformedProcedureStep, calling="CT1") as opened:
        yield Modality(opened)


def scheduled(order: Order, **changes: Any) -> Dataset:
    """An item of the Scheduled Step Attributes Sequence, as copied from the worklist."""
    return _dataset(
        {
            "StudyInstanceUID": order.study_instance_uid,
            "ReferencedStudySequence": [],
            "AccessionNumber": order.accession_number,
            "RequestedProcedureID": order.requested_procedure_id,
            "RequestedProcedureDescription": order.procedure.display,
            "ScheduledProcedureStepID": order.steps[0].step_id,
            "ScheduledProcedureStepDescription": "",
            "ScheduledProtocolCodeSequence": [],
            **changes,
        }
    )


def a_step(*items: Dataset, **changes: Any) -> Dataset:
    """The attributes of an N-CREATE as PS3.4 table F.7.2-1 wants them; a change to None leaves one out."""
    attributes = {
        "SpecificCharacterSet": "ISO_IR 100",
        "ScheduledStepAttributesSequence": list(items),
        "PatientName": "Müller^Åse",
        "PatientID": "4711",
        "PatientBirthDate": "",
        "PatientSex": "",
        "ReferencedPatientSequence": [],
        "PerformedProcedureStepID": "PPS1",
        "PerformedStationAETitle": "CT1",
        "PerformedStationName": "",
        "PerformedLocation": "",
        "PerformedProcedureStepStartDate": "20261124",
        "PerformedProcedureStepStartTime": "093000",
        "PerformedProcedureStepStatus": "IN PROGRESS",
        "PerformedProcedureStepDescription": "",
        "PerformedProcedureTypeDescription": "",
        "ProcedureCodeSequence": [],
        "PerformedProcedureStepEndDate": "",
        "PerformedProcedureStepEndTime": "",
        "Modality": "CT",
        "StudyID": "",
        "PerformedProtocolCodeSequence": [],
        "PerformedSeriesSequence": [],
        "PerformedProcedureStepDiscontinuationReasonCodeSequence": [],
    }
    return _dataset({**attributes, **changes})


def an_end(status: str = "COMPLETED", images: int = 2, **changes: Any) -> Dataset:
    """The attributes of the last N-SET."""
    instances = [
        _dataset(
            {"ReferencedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "ReferencedSOPInstanceUID": f"1.2.9.{n}"}
        )
        for n in range(images)
    ]
    series = _dataset(
        {
            "PerformingPhysicianName": "",
            "ProtocolName": "Thorax",
            "OperatorsName": "",
            "SeriesInstanceUID": "1.2.9",
            "SeriesDescription": "",
            "RetrieveAETitle": "",
            "ReferencedImageSequence": instances,
            "ReferencedNonImageCompositeSOPInstanceSequence": [],
        }
    )
    attributes = {
        "PerformedProcedureStepStatus": status,
        "PerformedProcedureStepEndDate": "20261124",
        "PerformedProcedureStepEndTime": "094500",
        "PerformedSeriesSequence": [series],
    }
    return _dataset({**attributes, **changes})


def _dataset(values: dict[str, Any]) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset

"""Instance availability notifications, sent by an archive over a real association."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom.sop_class import InstanceAvailabilityNotification  # type: ignore[attr-defined]

from radflow.order import Event, State
from radflow.services.dicom.server import RunningServer
from radflow.store import orders
from radflow.store.engine import Store
from radflow.store.tables import OrderRow
from tests.builders import an_order
from tests.services.modality import modality
from tests.services.worklisted import association, put, serving


@pytest.fixture
def service(store: Store) -> Iterator[RunningServer]:
    with serving(store) as running:
        yield running


def a_notice(study_instance_uid: str, *availabilities: str, **changes: Any) -> Dataset:
    """The attributes of an N-CREATE as PS3.4 table R.3.2-1 wants them."""
    instances = []
    for number, availability in enumerate(availabilities):
        one = Dataset()
        one.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        one.ReferencedSOPInstanceUID = f"1.2.9.{number}"
        one.InstanceAvailability, one.RetrieveAETitle = availability, "PACS"
        instances.append(one)
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = "1.2.9", instances
    notice = Dataset()
    notice.ReferencedPerformedProcedureStepSequence = []
    notice.StudyInstanceUID, notice.ReferencedSeriesSequence = study_instance_uid, [series]
    for keyword, value in changes.items():
        setattr(notice, keyword, value)
    return notice


def notify(port: int, notice: Dataset, uid: str | None = None) -> Dataset:
    with association(port, InstanceAvailabilityNotification, calling="PACS") as opened:
        status, _ = opened.send_n_create(notice, InstanceAvailabilityNotification, uid or generate_uid())
        return status


def told(store: Store, key: str) -> list[dict[str, Any]]:
    with store.read() as session:
        log = orders.events_of(session, key)
    return [line.detail for line in log if line.event == Event.INSTANCES_AVAILABLE]


def test_an_order_hears_of_its_images(service: RunningServer, store: Store, now: datetime) -> None:
    """The order is woken with counts; the same notice again says nothing new."""
    key = put(store, now, "P1")
    uid, notice = generate_uid(), a_notice(an_order("P1").study_instance_uid, "ONLINE", "NEARLINE", "OFFLINE")
    assert notify(service.port, notice, uid).Status == 0x0000
    assert notify(service.port, notice, uid).Status == 0x0000
    assert told(store, key) == [{"instances": 2, "unavailable": 1, "retrieve_from": ["PACS"]}]
    with store.read() as session:
        row = session.get_one(OrderRow, key)
    assert (row.state, row.wake_at is not None) == (State.STARTED, True)


def test_an_order_is_known_by_its_performed_step(service: RunningServer, store: Store, now: datetime) -> None:
    """A study UID of the modality's own, and the MPPS that the images were made in."""
    key = put(store, now, "P1")
    with modality(service.port) as ct:
        uid = ct.begin(an_order("P1"))
    step = Dataset()
    step.ReferencedSOPClassUID, step.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.3", uid
    notice = a_notice("1.2.77", "ONLINE", ReferencedPerformedProcedureStepSequence=[step])
    assert notify(service.port, notice).Status == 0x0000
    assert [detail["instances"] for detail in told(store, key)] == [1]


@pytest.mark.parametrize("study", ["1.2.77", ""])
def test_what_is_no_affair_of_ours(service: RunningServer, store: Store, now: datetime, study: str) -> None:
    """A study of no order is taken, one without a UID is refused; nothing happens to anybody's order."""
    key = put(store, now, "P1")
    assert notify(service.port, a_notice(study, "ONLINE")).Status == (0x0000 if study else 0x0121)
    assert told(store, key) == []


def test_images_that_are_not_to_be_had(service: RunningServer, store: Store, now: datetime) -> None:
    """OFFLINE and UNAVAILABLE make nobody look for them."""
    key = put(store, now, "P1")
    notice = a_notice(an_order("P1").study_instance_uid, "OFFLINE", "UNAVAILABLE")
    assert notify(service.port, notice).Status == 0x0000
    assert told(store, key) == []

"""Performed procedure steps, sent by a modality over real associations, and what becomes of their orders."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydicom import Dataset

from mappings.dicom import mpps
from mappings.dicom.worklist import worklist_items
from radflow.model import Order, ScheduledProcedureStep, Study
from radflow.order import Event, State
from radflow.services.dicom.server import RunningServer
from radflow.store import orders, performed_steps, studies, worklist
from radflow.store.engine import Store
from radflow.store.orders import ABANDONED
from radflow.store.performed_orders import performed_in
from radflow.store.tables import OrderRow, PerformedStepRow
from tasks.matching import Owners
from tests.builders import an_order
from tests.hl7_builders import an_orm
from tests.inbox import receive
from tests.services.modality import Modality, a_step, an_end, modality, scheduled
from tests.services.worklisted import found, names_asked, put, serving


@pytest.fixture
def service(store: Store) -> Iterator[RunningServer]:
    with serving(store) as running:
        yield running


@pytest.fixture
def ct(service: RunningServer) -> Iterator[Modality]:
    with modality(service.port) as opened:
        yield opened


def worklisted(store: Store, now: datetime, number: str = "P1", **changes: Any) -> Order:
    key = put(store, now, number, **changes)
    with store.write() as session:
        orders.record(session, key, Event.WORKLISTED, source="t", occurred_at=now, now=now)
    return an_order(number, **changes)


def row_of(store: Store, order: Order) -> OrderRow:
    with store.read() as session:
        return session.get_one(OrderRow, order.key)


def log_of(store: Store, order: Order) -> list[Event]:
    """What has happened to the order since it was put on the worklist."""
    with store.read() as session:
        return [Event(line.event) for line in orders.events_of(session, order.key)][2:]


def is_completed(store: Store, order: Order) -> bool:
    with store.read() as session:
        return performed_steps.completed(session, order.key)


def shown(service: RunningServer) -> list[tuple[str, str]]:
    """What the worklist shows: step and status."""
    steps = (answer.ScheduledProcedureStepSequence[0] for answer in found(service.port, names_asked()))
    return [(step.ScheduledProcedureStepID, step.ScheduledProcedureStepStatus) for step in steps]


def test_an_order_is_performed(service: RunningServer, ct: Modality, store: Store, now: datetime) -> None:
    """Begun: shown as STARTED, and the order woken. Completed: off the worklist, with counts in the log."""
    order = worklisted(store, now)
    uid = ct.begin(order)
    row = row_of(store, order)
    assert (row.state, row.wake_at is not None) == (State.STARTED, True)
    assert shown(service) == [("S1", "STARTED")]
    assert not is_completed(store, order)
    ct.set(uid, an_end("IN PROGRESS", images=1))
    assert log_of(store, order) == [Event.STEP_STARTED]
    ct.end(uid, images=3)
    assert log_of(store, order) == [Event.STEP_STARTED, Event.ACQUISITION_COMPLETED]
    assert shown(service) == []
    assert is_completed(store, order)
    with store.read() as session:
        *_, last = orders.events_of(session, order.key)
    assert last.detail == {"station": "CT1", "modality": "CT", "series": 1, "instances": 3}
    assert last.occurred_at == datetime(2026, 11, 24, 9, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("leaves_when", "begun", "done"),
    [("started", [], []), ("completed", ["STARTED"], []), ("images", ["STARTED"], ["COMPLETED"])],
)
def test_a_step_leaves_the_worklist_when_the_site_says(
    store: Store, now: datetime, leaves_when: str, begun: list[str], done: list[str]
) -> None:
    """`leaves_when`."""
    order = worklisted(store, now)
    with serving(store, leaves_when=leaves_when) as running, modality(running.port) as ct:
        uid = ct.begin(order)
        assert [status for _, status in shown(running)] == begun
        ct.end(uid)
        assert [status for _, status in shown(running)] == done


def test_what_was_sent_is_kept_whole(ct: Modality, store: Store, now: datetime) -> None:
    """In Unicode; an N-SET adds to it, and does not change what it may not set (table F.7.2-1)."""
    order = worklisted(store, now)
    uid = ct.begin(order)
    change = an_end("IN PROGRESS", PatientName="Someone^Else", CommentsOnThePerformedProcedureStep="Größer")
    change.SpecificCharacterSet = "ISO_IR 192"
    assert ct.set(uid, change).Status == 0x0000
    with store.read() as session:
        kept = Dataset.from_json(session.get_one(PerformedStepRow, uid).dataset)
    assert kept.PatientName == "Müller^Åse"
    assert kept.CommentsOnThePerformedProcedureStep == "Größer"
    assert kept.PerformedSeriesSequence[0].ProtocolName == "Thorax"


def test_a_group_case_performs_several_orders(
    service: RunningServer, ct: Modality, store: Store, now: datetime
) -> None:
    """One step, one study UID for all items (PS3.4 F.7.2.1.2, note 2): each order by its accession number."""
    first, second = worklisted(store, now, "P1"), worklisted(store, now, "P2")
    uid, _ = ct.create(a_step(scheduled(first), scheduled(second, StudyInstanceUID=first.study_instance_uid)))
    ct.end(uid)
    for order in (first, second):
        assert log_of(store, order) == [Event.STEP_STARTED, Event.ACQUISITION_COMPLETED]
        assert is_completed(store, order)


def test_an_order_is_done_when_all_its_steps_are(
    service: RunningServer, ct: Modality, store: Store, now: datetime
) -> None:
    """Two scheduled steps, performed one after the other: the second stays on the worklist until then."""
    steps = tuple(ScheduledProcedureStep(step_id=one, modality="CT", start=now) for one in ("S1", "S2"))
    order = worklisted(store, now, steps=steps)
    ct.end(ct.begin(order))
    assert shown(service) == [("S2", "SCHEDULED")]
    assert not is_completed(store, order)
    uid, _ = ct.create(a_step(scheduled(order, ScheduledProcedureStepID="S2")))
    ct.end(uid)
    assert (shown(service), is_completed(store, order)) == ([], True)


def test_an_abandoned_order_stays_visible(
    service: RunningServer, ct: Modality, store: Store, now: datetime
) -> None:
    """DISCONTINUED with the reason: back on the worklist, and a person sees it; then it is done after all."""
    order = worklisted(store, now)
    reason = Dataset()
    reason.CodeValue, reason.CodingSchemeDesignator, reason.CodeMeaning = "110513", "DCM", "Discontinued"
    end = an_end("DISCONTINUED", 0, PerformedProcedureStepDiscontinuationReasonCodeSequence=[reason])
    assert ct.set(ct.begin(order), end).Status == 0x0000
    row = row_of(store, order)
    assert (row.state, row.trouble) == (State.RECEIVED, ABANDONED)
    assert shown(service) == [("S1", "SCHEDULED")]
    with store.read() as session:
        assert orders.events_of(session, order.key)[-1].detail["reason"] == "110513"
    assert not is_completed(store, order)
    ct.end(ct.begin(order))
    row = row_of(store, order)
    assert (row.state, row.trouble, is_completed(store, order)) == (State.STARTED, "", True)


def test_one_of_two_steps_discontinued_abandons_nothing(ct: Modality, store: Store, now: datetime) -> None:
    """The other one goes on."""
    order = worklisted(store, now)
    first, second = ct.begin(order), ct.begin(order)
    ct.end(first, "DISCONTINUED")
    assert row_of(store, order).state == State.STARTED
    ct.end(second)
    assert log_of(store, order)[2:] == [Event.ACQUISITION_DISCONTINUED, Event.ACQUISITION_COMPLETED]
    assert is_completed(store, order)


def test_what_no_order_is_known_of_is_kept(ct: Modality, store: Store, now: datetime) -> None:
    """Unscheduled, or of another patient's accession number: never linked by a guess."""
    order = worklisted(store, now)
    item = scheduled(an_order("P9"), AccessionNumber=order.accession_number)
    uid, status = ct.create(a_step(item, PatientID="0815"))
    assert status.Status == 0x0000
    assert log_of(store, order) == []
    with store.read() as session:
        assert [row.sop_instance_uid for row in performed_steps.newest(session, 9, unlinked=True)] == [uid]


def test_an_order_that_comes_late_finds_what_was_performed(
    service: RunningServer, ct: Modality, store: Store, now: datetime
) -> None:
    """An emergency: begun and completed before the order is placed, under its UID."""
    order = an_order("P1")
    ct.end(ct.begin(order), images=4)
    with store.write() as session:
        row = orders.place(session, order, source="t", occurred_at=now, now=now)
        performed_steps.link_new(session, row, lambda kept: mpps.read(kept, ZoneInfo("UTC")), now)
    row = row_of(store, order)
    assert row.state == State.STARTED
    assert is_completed(store, order)
    with store.write() as session:
        worklist.put(session, order.key, "main", worklist_items(order, ZoneInfo("UTC")))
        performed_steps.show_on_worklist(session, order.key)
        assert performed_steps.newest(session, 9, unlinked=True) == []
    assert shown(service) == []


def test_what_comes_late_makes_nothing_anew(ct: Modality, store: Store, now: datetime) -> None:
    """Of a published order it is noted: no state, no revision, no leg, nothing sent again."""
    order = worklisted(store, now)
    with store.write() as session:
        for event in (Event.STUDY_FOUND, Event.REPORT_RECEIVED, Event.PUBLISHED):
            orders.record(session, order.key, event, source="t", occurred_at=now, now=now)
        row = session.get_one(OrderRow, order.key)
        row.wake_at = None
        before = (row.state, row.revision, row.round)
    ct.end(ct.begin(order))
    after = row_of(store, order)
    assert ((after.state, after.revision, after.round), after.wake_at) == (before, None)
    assert log_of(store, order)[-2:] == [Event.STEP_STARTED, Event.ACQUISITION_COMPLETED]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"PerformedProcedureStepID": None}, 0x0120),
        ({"PatientID": None}, 0x0120),
        ({"PerformedStationAETitle": ""}, 0x0121),
        ({"ScheduledStepAttributesSequence": []}, 0x0121),
        ({"PerformedProcedureStepStatus": "COMPLETED"}, 0x0106),
        ({"PerformedProcedureStepStartDate": "YESTERDAY"}, 0x0106),
    ],
)
def test_an_n_create_that_is_not_as_it_must(
    ct: Modality, store: Store, now: datetime, changes: dict[str, Any], status: int
) -> None:
    """PS3.4 table F.7.2-1: the standard's status, the attribute in words, and nothing is kept."""
    order = worklisted(store, now)
    _, answer = ct.create(a_step(scheduled(order), **changes))
    assert answer.Status == status
    assert answer.ErrorComment
    with store.read() as session:
        assert performed_steps.newest(session, 9) == []


def test_a_step_is_created_once(ct: Modality, store: Store, now: datetime) -> None:
    """0111: duplicate SOP instance; the order hears of it once."""
    order = worklisted(store, now)
    uid = ct.begin(order)
    _, answer = ct.create(a_step(scheduled(order)), uid)
    assert answer.Status == 0x0111
    assert log_of(store, order) == [Event.STEP_STARTED]


def test_an_n_set_that_comes_too_late(ct: Modality, store: Store, now: datetime) -> None:
    """0110 with the Error ID and Comment of PS3.4 table F.7.2-2."""
    order = worklisted(store, now)
    uid = ct.begin(order)
    ct.end(uid)
    answer = ct.set(uid, an_end("DISCONTINUED"))
    assert (answer.Status, answer.ErrorID) == (0x0110, 0xA710)
    assert answer.ErrorComment == "Performed Procedure Step Object may no longer be updated"
    assert log_of(store, order) == [Event.STEP_STARTED, Event.ACQUISITION_COMPLETED]


def test_an_n_set_of_a_step_that_is_not_there(ct: Modality) -> None:
    """0112: no such SOP instance."""
    assert ct.set("1.2.3.4", an_end()).Status == 0x0112


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (an_end("ARRIVED"), 0x0106),
        (an_end(PerformedProcedureStepEndDate=None), 0x0121),
        (an_end(PerformedSeriesSequence=[]), 0x0121),
    ],
)
def test_an_n_set_that_is_not_as_it_must(
    ct: Modality, store: Store, now: datetime, end: Dataset, status: int
) -> None:
    """The step stays in progress: a right one may follow."""
    order = worklisted(store, now)
    uid = ct.begin(order)
    assert ct.set(uid, end).Status == status
    assert log_of(store, order) == [Event.STEP_STARTED]
    ct.end(uid)
    assert is_completed(store, order)


def test_a_site_may_ask_for_less(store: Store, now: datetime) -> None:
    """Modalities are what they are: `performed_steps_need = "status"`."""
    order = worklisted(store, now)
    item, change = scheduled(order), Dataset()
    del item.ReferencedStudySequence
    change.PerformedProcedureStepStatus = "COMPLETED"
    with serving(store, performed_steps_need="status") as running, modality(running.port) as ct:
        uid, status = ct.create(a_step(item, PatientSex=None, PerformedStationAETitle=None))
        assert status.Status == 0x0000
        assert ct.set(uid, change).Status == 0x0000
    assert is_completed(store, order)


def test_a_store_that_fails_is_told_and_forgiven(ct: Modality, store: Store, now: datetime) -> None:
    """0110; the modality may send it again."""
    order = worklisted(store, now)
    with store.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE performed_procedure_steps RENAME TO elsewhere")
    _, answer = ct.create(a_step(scheduled(order)))
    assert answer.Status == 0x0110
    with store.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE elsewhere RENAME TO performed_procedure_steps")
    ct.end(ct.begin(order))
    assert is_completed(store, order)


def test_no_patient_is_in_the_log(
    ct: Modality, store: Store, now: datetime, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Neither when it is taken nor when it is refused."""
    order = worklisted(store, now)
    with caplog.at_level("INFO"):
        ct.end(ct.begin(order))
        ct.create(a_step(scheduled(order), PatientID=None))
    assert "ller" not in caplog.text + "".join(capfd.readouterr())


def test_an_order_by_hl7_finds_what_was_performed(ct: Modality, store: Store, now: datetime) -> None:
    """The intake links what waited for it: by accession number and Patient ID, where the UID is another."""
    item = scheduled(an_order("P1"), StudyInstanceUID="1.2.77", AccessionNumber="ACC9")
    uid, _ = ct.create(a_step(item))
    receive(store, now, an_orm("M1", changes={"OBR": {18: "ACC9"}}))
    with store.read() as session:
        (key,) = performed_steps.orders_of(session, uid)
        assert session.get_one(OrderRow, key).state == State.STARTED


def test_the_images_of_a_group_are_of_all_its_orders(
    service: RunningServer, ct: Modality, store: Store, now: datetime
) -> None:
    """One study under the first order's UID and accession number; the modality has said whose it is."""
    first, second = worklisted(store, now, "P1"), worklisted(store, now, "P2")
    ct.create(a_step(scheduled(first), scheduled(second, StudyInstanceUID=first.study_instance_uid)))
    uid = first.study_instance_uid
    study = Study(study_instance_uid=uid, archive="pacs", accession_number=first.accession_number)
    with store.read() as session:
        owners = Owners(
            studies.orders_by_number(session, "main", [study]), performed_in(session, "main", [uid])
        )
    assert [row.key for row in owners.of(study)] == [first.key, second.key]

"""SIU: appointments of an order (IHE RAD-48)."""

from datetime import UTC, datetime

import pytest

from mappings.dicom.worklist import worklist_items
from radflow.order import Event, State
from radflow.store.engine import Store
from radflow.store.orders import NO_SHOW
from tests.hl7_builders import an_orm, message, segment
from tests.inbox import SITES, as_told, became, events, happened, receive, replay, states, the_order

NEW = an_orm("M1", changes={"ORC": {3: "F1^RIS", 9: "20261124"}, "OBR": {3: "F1^RIS"}})


def an_siu(event: str, control_id: str, at: str = "", filler: str = "F1^RIS", room: str = "CT1") -> bytes:
    """An appointment of the order F1."""
    return message(
        f"SIU^{event}", control_id,
        segment("SCH", {1: "T1", 11: f"^^^{at}", 27: filler}), segment("RGS", {1: "1"}),
        segment("AIS", {1: "1", 3: "CTCHEST^CT chest^L", 4: at}), segment("AIL", {1: "1", 3: room}),
    )  # fmt: skip


def test_scheduled_moved_and_taken_back(store: Store, now: datetime) -> None:
    """S12, S13, S14 give the order its time and place; after S15 it is there without a time."""
    receive(store, now, NEW, an_siu("S12", "S1", "20261201100000"))
    (step,) = as_told(the_order(store)).steps
    assert (step.start, step.location) == (datetime(2026, 12, 1, 9, tzinfo=UTC), "CT1")
    receive(store, now, an_siu("S13", "S2", "20261202100000"), an_siu("S14", "S3", "20261202110000"))
    assert as_told(the_order(store)).steps[0].start == datetime(2026, 12, 2, 10, tzinfo=UTC)
    receive(store, now, an_siu("S15", "S4", "20261202110000"))
    row = the_order(store)
    assert (row.state, as_told(row).steps[0].start) == (State.RECEIVED, None)
    (item,) = worklist_items(as_told(row), SITES["main"].zone)
    assert item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate == "20261124"
    for message_id in (2, 3):
        replay(store, now, message_id)
    assert as_told(the_order(store)).steps[0].start is None


def test_an_appointment_waits_for_its_order(store: Store, now: datetime) -> None:
    """As every message that comes before its order."""
    assert states(store, now, an_siu("S12", "S1", "20261201100000")) == ["waiting"]
    assert states(store, now, NEW) == ["processed", "processed"]
    assert as_told(the_order(store)).steps[0].start == datetime(2026, 12, 1, 9, tzinfo=UTC)


def test_a_patient_who_did_not_come(store: Store, now: datetime) -> None:
    """S26: the order stays on the worklist and asks for a person, until it is scheduled anew."""
    receive(store, now, NEW)
    happened(store, now, Event.WORKLISTED)
    receive(store, now, an_siu("S26", "S1"))
    assert (the_order(store).state, the_order(store).trouble) == (State.WORKLISTED, NO_SHOW)
    replay(store, now, 2)
    assert events(store).count(Event.NO_SHOW) == 1
    receive(store, now, an_siu("S13", "S2", "20261205100000"))
    assert (the_order(store).state, the_order(store).trouble) == (State.RECEIVED, "")


def test_work_that_goes_on_does_not_hide_that_nobody_came(store: Store, now: datetime) -> None:
    """A step that is completed ends trouble of its own only."""
    receive(store, now, NEW, an_siu("S26", "S1"))
    happened(store, now, Event.STEP_COMPLETED, Event.WORKLISTED)
    assert the_order(store).trouble == NO_SHOW


@pytest.mark.parametrize("ends", [Event.STUDY_FOUND, Event.ORDER_CANCELLED])
@pytest.mark.parametrize("event", ["S13", "S15", "S26"])
def test_too_late_for_an_appointment(store: Store, now: datetime, event: str, ends: Event) -> None:
    """What was imaged or cancelled is not scheduled any more: the message is taken, and says so."""
    receive(store, now, NEW)
    happened(store, now, ends)
    receive(store, now, an_siu(event, "S1", "20261205100000"))
    state, reason = became(store)[-1]
    assert (state, reason.startswith("The examination")) == ("processed", True)
    assert events(store)[-1] == ends

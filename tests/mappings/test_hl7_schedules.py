"""SIU → schedules: what the golden messages do not show."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from mappings.hl7.acceptance import judge
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.reader import Hl7Message
from mappings.hl7.schedules import ScheduleAction, ScheduleMessage, read_schedules
from radflow.model import Order, ScheduledProcedureStep
from radflow.order import order_key
from tests.builders import an_order
from tests.hl7_builders import an_siu, message

HALF_PAST_NINE = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
ORDER = an_order(
    steps=(
        ScheduledProcedureStep(step_id="S1", modality="CT", location="OLD", station_name="CT1"),
        ScheduledProcedureStep(step_id="S2", modality="CT", location="OLD"),
    )
)


def read(raw: bytes) -> list[ScheduleMessage]:
    return read_schedules(Hl7Message(raw), site="main", zone=ZoneInfo("UTC"))


def starts(order: Order) -> list[str]:
    return [step.start.strftime("%H%M") if step.start else "" for step in order.steps]


def test_an_appointment_gives_the_order_its_time_and_place() -> None:
    """AIS-4, AIL-3 and AIP-3; of the step, what is not told stays."""
    (one,) = read(an_siu())
    assert (one.action, one.key) == (ScheduleAction.SCHEDULED, order_key("main", "EHR", "P1"))
    first, second = one.on_top_of(ORDER).steps
    assert (first.start, first.location, first.station_name) == (HALF_PAST_NINE, "RAD ROOM 2", "CT1")
    assert first.performing_physician.name.family == "Moreau"
    assert (second.start, second.step_id) == (HALF_PAST_NINE, "S2")


def test_as_many_services_as_steps() -> None:
    """Each AIS is a step's."""
    (one,) = read(an_siu(changes={"AIL": {3: ""}}) + b"AIS|2||CT|20261126101500\r")
    changed = one.on_top_of(ORDER)
    assert starts(changed) == ["0930", "1015"]
    assert [step.location for step in changed.steps] == ["OLD", "OLD"]


def test_as_many_services_as_orders() -> None:
    """Each AIS is an order's."""
    both = read(an_siu(changes={"SCH": {26: "P1~P2", 27: ""}}) + b"AIS|2||CT|20261126101500\r")
    assert [one.placer and one.placer.value for one in both] == ["P1", "P2"]
    assert [starts(one.on_top_of(ORDER)) for one in both] == [["0930", "0930"], ["1015", "1015"]]


def test_a_deleted_place_is_gone() -> None:
    """AIL-3 `""`."""
    (one,) = read(an_siu(changes={"AIL": {3: '""'}}))
    assert {step.location for step in one.on_top_of(ORDER).steps} == {""}


def test_cancelled_and_not_come() -> None:
    """S15 takes the time away and leaves the order; S26 leaves all as it is."""
    (booked,), (cancelled,), (missed,) = read(an_siu()), read(an_siu("S15")), read(an_siu("S26"))
    scheduled = booked.on_top_of(ORDER)
    assert starts(cancelled.on_top_of(scheduled)) == ["", ""]
    assert (missed.action, missed.on_top_of(scheduled)) == (ScheduleAction.NO_SHOW, scheduled)


def test_an_appointment_of_no_order_is_taken_and_then_named_as_such() -> None:
    """SCH-1 names an appointment: no order is guessed from it."""
    raw = an_siu(changes={"SCH": {26: "", 27: ""}})
    assert judge(raw).refusal is None
    with pytest.raises(NotTakable, match="SCH-26"):
        read(raw)


def test_no_appointment_at_all() -> None:
    """Neither SCH nor AIS."""
    refusal = judge(message("SIU^S12", "S1", "PID|1||4711")).refusal
    assert refusal is not None
    assert refusal.code is ErrorCode.SEGMENT_SEQUENCE_ERROR

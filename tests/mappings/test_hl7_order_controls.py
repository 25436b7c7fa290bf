"""ORC-1: what a message does to an order (HL7 table 0119)."""

from zoneinfo import ZoneInfo

import pytest

from mappings.hl7.acceptance import judge
from mappings.hl7.orders import OrderAction, OrderMessage, read_orders
from mappings.hl7.reader import Hl7Message
from mappings.tables import packaged
from radflow.order import order_key
from tests.hl7_builders import an_orm, message

OBR = "OBR|1|||CXR^Chest^L"


def read(*segments: str) -> list[OrderMessage]:
    raw = message("ORM^O01", "M1", "PID|1||4711", *segments)
    assert judge(raw).refusal is None
    return read_orders(Hl7Message(raw), site="main", zone=ZoneInfo("UTC"), uid_root="2.25")


def said(*segments: str) -> list[tuple[str, str]]:
    numbers = [one.order.placer_order_number for one in read(*segments)]
    actions = [one.action.value for one in read(*segments)]
    return [(number.value if number else "", action) for number, action in zip(numbers, actions, strict=True)]


@pytest.mark.parametrize("control", [code for code in packaged("order-control") if code[0] != "R"])
def test_each_control_has_its_action(control: str) -> None:
    """The table leads to what radflow can do, and to nothing else."""
    (one,) = read(f"ORC|{control}|P1", OBR)
    assert one.action.value == packaged("order-control")[control][0]


@pytest.mark.parametrize(
    ("status", "action"),
    [("", "status"), ("IP", "status"), ("CM", "status"), ("CA", "cancels"), ("DC", "discontinues"),
     ("HD", "holds")],
)  # fmt: skip
def test_a_status_change_says_what_has_been_done(status: str, action: str) -> None:
    """SC with ORC-5 (table 0038)."""
    (one,) = read(f"ORC|SC|P1|||{status}")
    assert (one.action.value, one.order_status) == (action, status)


@pytest.mark.parametrize("control", ["CA", "DC", "HD", "RL", "SC"])
def test_a_number_is_enough_for_an_order_that_is_known(control: str) -> None:
    """No patient and no procedure: neither is needed to find the order."""
    assert judge(message("ORM^O01", "M1", f"ORC|{control}||F1^RIS")).refusal is None


@pytest.mark.parametrize("control", ["NW", "XO", "RO"])
def test_a_number_is_not_enough_to_place_one(control: str) -> None:
    """A patient and a procedure are needed."""
    assert judge(message("ORM^O01", "M1", f"ORC|{control}|P1", OBR)).refusal is not None
    assert judge(message("ORM^O01", "M1", "PID|1||4711", f"ORC|{control}|P1")).refusal is not None


def test_a_replacement() -> None:
    """RP names the old order, RO the new one: one message that does both."""
    (one,) = read("ORC|RP|P1", OBR, "ORC|RO|P2", OBR)
    assert one.action is OrderAction.REPLACES
    assert one.replaces_key == order_key("main", "EHR", "P1")
    assert one.replaces is not None
    assert (one.replaces.value, one.replaces.assigner) == ("P1", "EHR")
    assert one.order.key == order_key("main", "EHR", "P2")


def test_several_replace_several() -> None:
    """Each order has one message, and none is lost."""
    assert said("ORC|RP|P1", "ORC|RP|P2", "ORC|RO|P3", OBR, "ORC|RO|P4", OBR) == [
        ("P1", "discontinues"), ("P3", "replaces"), ("P4", "places"),
    ]  # fmt: skip


def test_two_replacements_in_a_message() -> None:
    """Each RO belongs to the RP before it."""
    both = read("ORC|RP|P1", "ORC|RO|P2", OBR, "ORC|RU|P3", "ORC|RO|P4", OBR)
    assert [one.replaces.value for one in both if one.replaces] == ["P1", "P3"]


def test_a_replacement_by_nothing_is_refused() -> None:
    """The old order would be gone, and no new one there."""
    refusal = judge(message("ORM^O01", "M1", "PID|1||4711", "ORC|RO|P2", OBR, "ORC|RP|P1")).refusal
    assert refusal is not None
    assert (refusal.location, refusal.ack_code) == ("ORC^2^1", "AE")


def test_several_orders_and_controls_in_a_message() -> None:
    """Each ORC is its own order; groups of one order are its steps."""
    assert said("ORC|NW|P1", OBR, "ORC|CA|P2", "ORC|NW|P1", "OBR|2|||CXR^Chest^L||||||||||||||||S2") == [
        ("P1", "places"), ("P2", "cancels"),
    ]  # fmt: skip


def test_an_unknown_control_is_answered_before_the_ack() -> None:
    """ORC-1 with a code that does nothing to an order here."""
    assert judge(an_orm(changes={"ORC": {1: "LI"}})).ack_code == "AE"

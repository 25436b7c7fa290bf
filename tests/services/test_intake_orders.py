"""Order controls (ORC-1): what they do to an order, early, late and twice."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import func, select

from mappings.dicom.worklist import worklist_items
from radflow.order import Event, State
from radflow.store import orders, worklist
from radflow.store.engine import Store
from radflow.store.tables import WorklistItem
from tests.hl7_builders import an_orm, message, order_named, segment
from tests.inbox import (
    SITES,
    as_told,
    became,
    events,
    happened,
    receive,
    replay,
    states,
    the_order,
    the_orders,
)


def control(code: str, control_id: str = "", **msh: str) -> bytes:
    """The order P1 under this ORC-1."""
    return an_orm(control_id or f"M{code}", changes=order_named("P1", orc_1=code), **msh)


def on_worklist(store: Store) -> int:
    with store.read() as session:
        return session.exec(select(func.count()).select_from(WorklistItem)).one()


def put_on_worklist(store: Store, now: datetime) -> None:
    with store.write() as session:
        order = as_told(the_order(store))
        worklist.put(session, order.key, order.site, worklist_items(order, SITES["main"].zone))
    happened(store, now, Event.WORKLISTED)


def test_held_and_released(store: Store, now: datetime) -> None:
    """HD takes it off the worklist and keeps it; RL puts it back."""
    receive(store, now, control("NW"))
    put_on_worklist(store, now)
    assert on_worklist(store) == 1
    receive(store, now, control("HD"))
    assert (the_order(store).state, on_worklist(store)) == (State.HELD, 0)
    receive(store, now, control("RL"))
    assert the_order(store).state == State.RECEIVED
    assert events(store)[-2:] == [Event.ORDER_HELD, Event.ORDER_RELEASED]


def test_controls_that_change_nothing(store: Store, now: datetime) -> None:
    """RL of what is not held, HD and CA twice: taken, and nothing more."""
    raws = [control("NW"), control("RL"), control("HD", "M1"), control("HD", "M2")]
    raws += [control("CA", "M3"), control("DC", "M4")]
    assert states(store, now, *raws) == ["processed"] * 6
    assert events(store) == [Event.ORDER_RECEIVED, Event.ORDER_HELD, Event.ORDER_CANCELLED]


def test_replays_of_controls(store: Store, now: datetime) -> None:
    """Held, released; HD replayed does not hold it again, and says why."""
    receive(store, now, control("NW"), control("HD"), control("RL"))
    before = events(store)
    for message_id in (1, 2, 3):
        replay(store, now, message_id)
    assert events(store) == before
    assert the_order(store).state == State.RECEIVED
    assert became(store)[1][1].startswith("A newer message")


def test_a_held_order_is_changed_and_imaged(store: Store, now: datetime) -> None:
    """It stays held by a change; images found make it acquired."""
    receive(store, now, control("NW"), control("HD"))
    receive(store, now, an_orm("M3", changes=order_named("P1", orc_1="XO") | {"OBR": {13: "changed"}}))
    assert (the_order(store).state, as_told(the_order(store)).reason) == (State.HELD, "changed")
    happened(store, now, Event.STUDY_FOUND)
    assert the_order(store).state == State.ACQUIRED


@pytest.mark.parametrize("code", ["CA", "DC"])
def test_a_cancellation_counts_whatever_was_taken_in_before_it(
    store: Store, now: datetime, code: str
) -> None:
    """It waits for its order; a change that is taken in with the order does not revive it."""
    assert states(store, now, control(code, "M1")) == ["waiting"]
    change = order_named("P1", orc_1="XO")
    change["OBR"] = change["OBR"] | {13: "changed"}
    states(store, now, control("NW"), an_orm("M3", changes=change))
    assert the_order(store).state == State.CANCELLED


@pytest.mark.parametrize("code", ["CA", "DC", "HD", "SC"])
def test_what_comes_before_its_order_waits(store: Store, now: datetime, code: str) -> None:
    """And then does what it says."""
    becomes = {"HD": State.HELD, "SC": State.RECEIVED}.get(code, State.CANCELLED)
    assert states(store, now, control(code)) == ["waiting"]
    assert states(store, now, control("NW")) == ["processed", "processed"]
    assert the_order(store).state == becomes


def test_a_status_that_came_before_its_order_is_not_lost(store: Store, now: datetime) -> None:
    """What it says beside the new order stands in the end."""
    status = an_orm("M1", changes={"ORC": {1: "SC", 5: "SC"}, "OBR": {36: "20261201100000"}})
    assert states(store, now, status, control("NW")) == ["processed", "processed"]
    assert as_told(the_order(store)).steps[0].start == datetime(2026, 12, 1, 9, tzinfo=UTC)


def test_a_change_before_its_order_places_it(store: Store, now: datetime) -> None:
    """The new order that comes late, sent earlier (MSH-7), does not undo the change."""
    change = order_named("P1", orc_1="XO")
    change["OBR"] = change["OBR"] | {13: "changed"}
    late = control("NW", msh_7="20261124075959")
    assert states(store, now, an_orm("M1", changes=change), late) == ["processed"] * 2
    assert as_told(the_order(store)).reason == "changed"
    assert events(store) == [Event.ORDER_RECEIVED]


def test_a_filler_speaks_of_the_order_by_its_own_number(store: Store, now: datetime) -> None:
    """A cancellation with ORC-3 alone finds the order; another filler's same number does not."""
    new = an_orm("M1", changes={"ORC": {3: "F1^RIS"}})
    other = message("ORM^O01", "M2", "PID|||4711^^^HOSP", segment("ORC", {1: "CA", 3: "F1^LAB"}))
    own = message("ORM^O01", "M3", "PID|||4711^^^HOSP", segment("ORC", {1: "CA", 3: "F1^RIS"}))
    assert states(store, now, new, other, own) == ["processed", "waiting", "processed"]
    assert the_order(store).state == State.CANCELLED


REPLACED = message(
    "ORM^O01", "MRP", "PID|||4711^^^HOSP",
    segment("ORC", {1: "RP", 2: "P1^EHR"}), segment("OBR", {2: "P1^EHR", 4: "CTCHEST^CT chest^L"}),
    segment("ORC", {1: "RO", 2: "P2^EHR"}), segment("OBR", {2: "P2^EHR", 4: "MRHEAD^MR head^L", 24: "MR"}),
)  # fmt: skip


def test_replaced(store: Store, now: datetime) -> None:
    """RP with RO: the old order is cancelled, the new one placed. A replay changes nothing."""
    receive(store, now, control("NW"), REPLACED)
    replay(store, now, 2)
    old, new = the_orders(store)
    assert (old.state, new.state, new.modality) == (State.CANCELLED, State.RECEIVED, "MR")
    with store.read() as session:
        assert [len(orders.events_of(session, row.key)) for row in (old, new)] == [2, 1]


def test_replaced_before_it_came(store: Store, now: datetime) -> None:
    """The new order does not wait; the old one is cancelled as soon as it comes."""
    assert states(store, now, REPLACED) == ["waiting"]
    assert [row.placer_order_number for row in the_orders(store)] == ["P2"]
    assert states(store, now, control("NW")) == ["processed", "processed"]
    assert [row.state for row in the_orders(store)] == [State.CANCELLED, State.RECEIVED]


def test_an_order_that_was_imaged_is_not_replaced(store: Store, now: datetime) -> None:
    """The message is refused whole: the new order is not placed either."""
    receive(store, now, control("NW"))
    happened(store, now, Event.STUDY_FOUND)
    assert states(store, now, REPLACED)[-1] == "quarantined"
    assert the_order(store).state == State.ACQUIRED


def test_one_order_number_of_two_assigners_is_two_orders(store: Store, now: datetime) -> None:
    """A cancellation of one leaves the other."""
    clinic = {"ORC": {2: "P1^CLINIC"}, "OBR": {2: "P1^CLINIC"}}
    cancelled = {"ORC": {1: "CA", 2: "P1^CLINIC"}, "OBR": {2: "P1^CLINIC"}}
    receive(store, now, control("NW"), an_orm("M1", changes=clinic), an_orm("M2", changes=cancelled))
    assert sorted(row.state for row in the_orders(store)) == [State.CANCELLED, State.RECEIVED]


def test_a_replayed_day_leaves_everything_as_it_was(store: Store, now: datetime) -> None:
    """NW, XO, HD, RL, XO, all looked at once more."""
    raws = [control("NW"), control("XO", "M1"), control("HD"), control("RL")]
    raws.append(an_orm("M2", changes={"ORC": {1: "XO"}, "OBR": {13: "changed"}}))
    receive(store, now, *raws)
    before = (events(store), the_order(store).document, the_order(store).wake_at)
    for message_id in range(1, 6):
        replay(store, now + timedelta(days=1), message_id)
    assert (events(store), the_order(store).document, the_order(store).wake_at) == before

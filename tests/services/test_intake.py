"""Stored messages become orders and events."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import select

from radflow.model import Order
from radflow.order import Event, State
from radflow.services.intake import take_in
from radflow.store import messages, orders, replays, reports
from radflow.store.engine import Store
from radflow.store.messages import LinkKind
from radflow.store.tables import Message
from tests.hl7_builders import an_orm, an_oru, message, order_named, segment
from tests.inbox import SITES, became, events, receive, states, the_order, the_orders


def test_a_new_order(store: Store, now: datetime) -> None:
    """It is received, wants a leg, and its event says which message brought it and when it was sent."""
    assert receive(store, now, an_orm()) == [("processed", "")]
    row = the_order(store)
    assert (row.state, row.wake_at, row.placer_order_number) == (State.RECEIVED, now, "P1")
    with store.read() as session:
        (event,) = orders.events_of(session, row.key)
        (kept,) = session.exec(select(Message))
        linked = messages.links_of(session, [kept.id], LinkKind.ORDER)
    # MSH-7 is in the site's zone.
    assert (event.source, event.occurred_at) == (f"message:{kept.id}", datetime(2026, 11, 24, 7, tzinfo=UTC))
    assert linked == {kept.id: [row.key]}


def test_an_order_sent_twice_or_replayed_changes_nothing(store: Store, now: datetime) -> None:
    """Under another MSH-10, and by hand."""
    assert states(store, now, an_orm("M1"), an_orm("M2")) == ["processed", "processed"]
    with store.write() as session:
        replays.requeue(session, [1])
    assert take_in(store, SITES, now + timedelta(days=1)) == 1
    assert events(store) == [Event.ORDER_RECEIVED]


def test_a_change_keeps_the_numbers_it_does_not_bear(store: Store, now: datetime) -> None:
    """The study keeps its UID, the order the time of its request."""
    new = an_orm("M1", changes={"ORC": {9: "20261124"}, "OBR": {18: "ACC1"}}) + b"ZDS|1.2.3\r"
    change = an_orm("M2", changes={"ORC": {1: "XO", 9: "20261125"}, "OBR": {13: "changed"}})
    assert states(store, now, new, change) == ["processed", "processed"]
    order = Order.model_validate(the_order(store).document)
    assert (order.study_instance_uid, order.accession_number, order.reason) == ("1.2.3", "ACC1", "changed")
    assert order.requested_at == datetime(2026, 11, 23, 23, tzinfo=UTC)
    assert events(store) == [Event.ORDER_RECEIVED, Event.ORDER_CHANGED]


def test_a_cancellation(store: Store, now: datetime) -> None:
    """CA before images exist."""
    states(store, now, an_orm("M1"), an_orm("M2", changes=order_named("P1", orc_1="CA")))
    assert the_order(store).state == State.CANCELLED


def test_a_cancellation_before_its_order_waits_for_it(store: Store, now: datetime) -> None:
    """Messages that overtake each other lead to the same end."""
    assert states(store, now, an_orm("M1", changes=order_named("P1", orc_1="CA"))) == ["waiting"]
    assert states(store, now, an_orm("M2")) == ["processed", "processed"]
    assert the_order(store).state == State.CANCELLED


def test_what_cannot_happen_any_more_is_kept_as_refused(store: Store, now: datetime) -> None:
    """CA after images exist: in quarantine, in the words of the transition table."""
    receive(store, now, an_orm("M1"))
    with store.write() as session:
        key = the_order(store).key
        orders.record(session, key, Event.STUDY_FOUND, source="t", occurred_at=now, now=now)
    *_, last = receive(store, now, an_orm("M2", changes=order_named("P1", orc_1="CA")))
    assert last == ("quarantined", "order-cancelled cannot happen to an order that is acquired")
    assert the_order(store).state == State.ACQUIRED


def test_several_orders_come_whole_or_not_at_all(store: Store, now: datetime) -> None:
    """Two NW in one message are two orders; with one that cannot be, none is placed."""
    pair = [
        line
        for number in ("P1", "P2")
        for line in (
            segment("ORC", {1: "NW", 2: number}),
            segment("OBR", {2: number, 4: "CXR", 20: "S1", 36: "20261124"}),
        )
    ]
    good = message("ORM^O01", "M1", "PID|||4711", *pair)
    bad = message("ORM^O01", "M2", "PID|||4711", *(line.replace("P", "Q") for line in pair[:3]),
                  pair[3].replace("P2", "Q2").replace("20261124", "someday"))  # fmt: skip
    assert states(store, now, good, bad) == ["processed", "quarantined"]
    assert [row.placer_order_number for row in the_orders(store)] == ["P1", "P2"]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("P", State.PRELIMINARY_WITHOUT_IMAGES),
        ("R", State.PRELIMINARY_WITHOUT_IMAGES),
        ("A", State.PRELIMINARY_WITHOUT_IMAGES),
        ("F", State.REPORTED_WITHOUT_IMAGES),
        ("C", State.REPORTED_WITHOUT_IMAGES),
        ("I", State.RECEIVED),
    ],
)
def test_a_report(store: Store, now: datetime, status: str, state: State) -> None:
    """OBR-25 (table 0123) says what it is to its order; one that is only announced changes nothing."""
    assert states(store, now, an_orm(), an_oru(changes={"OBR": {25: status}})) == ["processed"] * 2
    assert the_order(store).state == state


def test_a_status_that_is_no_report_is_not_lost(store: Store, now: datetime) -> None:
    """Y (no order on record for this test) needs a person."""
    *_, (state, reason) = receive(store, now, an_orm(), an_oru(changes={"OBR": {25: "Y"}}))
    assert (state, reason.startswith("OBR-25")) == ("quarantined", True)


def test_reports_in_their_order(store: Store, now: datetime) -> None:
    """Preliminary, final, corrected; the same one under another MSH-10 changes nothing."""

    def report(control_id: str, status: str) -> bytes:
        return an_oru(control_id, changes={"OBR": {25: status, 22: "20261124100000"}})

    raws = [report("R1", "P"), report("R2", "F"), report("R3", "F"), report("R4", "C")]
    receive(store, now, an_orm(), *raws)
    assert events(store)[1:] == [Event.PRELIMINARY_RECEIVED, Event.REPORT_RECEIVED, Event.REPORT_RECEIVED]
    with store.read() as session:
        newest = reports.newest(session, the_order(store).key)
        assert newest is not None
        assert (newest.status, newest.text) == ("C", "No focal lesion.")
        last = orders.events_of(session, the_order(store).key)[-1]
        assert last.occurred_at == datetime(2026, 11, 24, 9, tzinfo=UTC)


def test_an_older_report_replayed_by_hand_does_not_come_back(store: Store, now: datetime) -> None:
    """It has been brought already, and a newer one stands."""
    oru = [an_oru(f"R{status}", changes={"OBR": {25: status}}) for status in "PF"]
    receive(store, now, an_orm(), *oru)
    with store.write() as session:
        replays.requeue(session, [2])
    take_in(store, SITES, now)
    assert became(store) == [("processed", "")] * 3
    assert len(events(store)) == 3


@pytest.mark.parametrize(
    "numbers",
    [
        {2: "P1"},
        {2: "", 3: "F1"},
        {2: "", 18: "ACC1"},
    ],
)
def test_an_orphan_waits_for_its_order(store: Store, now: datetime, numbers: dict[int, str]) -> None:
    """By any number; once the order is placed the report is taken in."""
    orphan, another = an_oru("R1", changes={"OBR": numbers}), an_oru("R2", changes=order_named("P9"))
    assert states(store, now, orphan, another) == ["waiting", "waiting"]
    receive(store, now, an_orm(changes={"OBR": {3: "F1", 18: "ACC1"}}))
    assert [state for state, _ in became(store)] == ["processed", "waiting", "processed"]
    assert the_order(store).state == State.REPORTED_WITHOUT_IMAGES


def test_reports_of_a_group_wait_only_for_the_orders_that_are_missing(store: Store, now: datetime) -> None:
    """What is known is taken in at once, and not once more when the rest comes."""
    obr = [segment("OBR", {2: number, 4: "CXR", 25: "F"}) for number in ("P1", "P2")]
    both = message("ORU^R01", "R1", "PID|||4711", *obr)
    assert states(store, now, an_orm("M1"), both) == ["processed", "waiting"]
    assert states(store, now, an_oru("R2", changes={"OBR": {25: "C"}}))[-1] == "processed"
    assert states(store, now, an_orm("M2", changes=order_named("P2"))) == ["processed"] * 4
    first, second = the_orders(store)
    with store.read() as session:
        assert len(orders.events_of(session, first.key)) == 3
        assert len(orders.events_of(session, second.key)) == 2


@pytest.mark.parametrize("raw", [message("ADT^A01", "M1"), b"junk", b"MSH|"])
def test_a_replay_of_what_was_never_taken_is_quarantined_again(
    store: Store, now: datetime, raw: bytes
) -> None:
    """With its reason."""
    ((state, reason),) = receive(store, now, raw)
    assert state == "quarantined"
    assert reason


def test_a_site_without_a_file(store: Store, now: datetime) -> None:
    """Its messages are kept, with the reason."""
    assert receive(store, now, an_orm(), site="gone") == [
        ("quarantined", "Its site has no site file any more."),
    ]


def test_what_nobody_expected_stops_nothing_and_tells_nothing(
    store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error's text may quote a patient: only its type is kept. The next message is taken in."""
    place = orders.place

    def broken(*_: object, **__: object) -> object:
        monkeypatch.setattr(orders, "place", place)
        raise RuntimeError("Müller")

    monkeypatch.setattr(orders, "place", broken)
    assert receive(store, now, an_orm("M1"), an_orm("M2")) == [
        ("quarantined", "It could not be processed: RuntimeError."), ("processed", ""),
    ]  # fmt: skip


def test_a_database_that_is_away_quarantines_nothing(
    store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message stays received, and is taken in when the database is back."""

    def away(*_: object, **__: object) -> None:
        raise OperationalError("SELECT", {}, Exception("down"))

    with monkeypatch.context() as patch:
        patch.setattr(orders, "place", away)
        with pytest.raises(OperationalError):
            receive(store, now, an_orm())
    assert became(store) == [("received", "")]
    assert take_in(store, SITES, now) == 1
    assert became(store) == [("processed", "")]

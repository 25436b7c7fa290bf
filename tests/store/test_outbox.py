"""The outbox: what may go out, in which order, and what waits."""

import hashlib
import threading
import time
from datetime import datetime, timedelta

import pytest
from sqlmodel import col, func, select

from radflow.order import Event
from radflow.store import destinations, messages, orders, outbox
from radflow.store.engine import Store
from radflow.store.messages import Arrival, MessageState
from radflow.store.outbox import NotParked, QueueState
from radflow.store.tables import Message, OrderRow, OutboxMessage
from tests.builders import an_order
from tests.hl7_builders import an_oru
from tests.outbox_builders import get, put

LEASE = timedelta(seconds=30)


def heads(store: Store, destination: str = "ehr", limit: int = 100) -> list[str]:
    with store.read() as session:
        return [row.control_id for row in outbox.sendable(session, "main", destination, limit)]


def sent(store: Store, message_id: int, now: datetime) -> None:
    with store.write() as session:
        outbox.sent(session, message_id, answer="AA", now=now)


def parked(store: Store, message_id: int, now: datetime) -> None:
    with store.write() as session:
        outbox.parked(session, message_id, answer="AE, error 103", now=now)


def test_a_message_is_queued_once(store: Store, now: datetime) -> None:
    """The same control id at the same destination is the same message; elsewhere it is another."""
    first = put(store, now, "M1")
    assert put(store, now, "M1") == first
    assert put(store, now, "M1", destination="ris") != first
    assert get(store, first).state == QueueState.QUEUED


def test_two_messages_that_are_passed_on_may_bear_one_control_id(store: Store, now: datetime) -> None:
    """Two senders count for themselves: neither message is lost, and a replay adds none."""
    with store.write() as session:
        messages.keep(session, [_arrival(now, "HIS"), _arrival(now, "LAB")])
        ids = session.exec(select(Message.id)).all()
    for message_id in [*ids, *ids]:
        with store.write() as session:
            outbox.queue(
                session, site="main", destination="ehr", queue="", message_type="ORU^R01", control_id="1",
                payload=an_oru("1"), now=now, message_id=message_id,
            )  # fmt: skip
    assert len(heads(store)) == 2


def _arrival(now: datetime, sender: str) -> Arrival:
    return Arrival(
        received_at=now, site="main", peer="127.0.0.1:1", sender=sender, control_id="1",
        message_type="ORU^R01", version="2.5.1", raw=an_oru("1"), digest=hashlib.sha256(b"1").hexdigest(),
        state=MessageState.RECEIVED, ack_code="AA",
    )  # fmt: skip


def test_a_patient_s_messages_go_one_after_the_other(store: Store, now: datetime) -> None:
    """Only the first of each patient may go; when it is sent, the next may."""
    first = put(store, now, "A1")
    for control_id, patient in (("A2", "A"), ("B1", "B"), ("A3", "A")):
        put(store, now, control_id, patient=patient)
    assert heads(store) == ["A1", "B1"]
    sent(store, first, now)
    assert heads(store) == ["B1", "A2"] or heads(store) == ["A2", "B1"]
    assert "A3" not in heads(store)


def test_what_is_of_no_patient_waits_for_nothing(store: Store, now: datetime) -> None:
    """Master files and the like: all may go, oldest first, past one that is parked."""
    first = put(store, now, "X1", patient="")
    put(store, now, "X2", patient="")
    parked(store, first, now)
    assert heads(store) == ["X2"]


def test_a_refused_message_holds_up_its_patient_alone(store: Store, now: datetime) -> None:
    """Until it is sent again, or given up with a reason."""
    first, second = put(store, now, "A1"), put(store, now, "A2")
    put(store, now, "B1", patient="B")
    parked(store, first, now)
    assert heads(store) == ["B1"]
    with store.write() as session:
        outbox.resend(session, first)
    assert heads(store) == ["A1", "B1"]
    parked(store, first, now)
    with store.write() as session:
        outbox.skip(session, first, by="ann", reason="sent by fax", now=now)
    assert heads(store) == ["A2", "B1"]
    row = get(store, first)
    assert (row.state, row.answer) == (
        QueueState.SKIPPED, "AE, error 103; skipped by ann: sent by fax",
    )  # fmt: skip
    assert get(store, second).state == QueueState.QUEUED


@pytest.mark.parametrize("state", ["queued", "unknown"])
def test_only_what_is_parked_is_resent_or_skipped(store: Store, now: datetime, state: str) -> None:
    """What is on its way or gone is left alone."""
    message_id = put(store, now, "A1") if state == "queued" else 4711
    with store.write() as session, pytest.raises(NotParked):
        outbox.resend(session, message_id)
    with store.write() as session, pytest.raises(NotParked):
        outbox.skip(session, message_id, by="ann", reason="x", now=now)


def test_one_that_is_never_answered_does_not_stand_in_the_way(store: Store, now: datetime) -> None:
    """What has failed more often comes after what has failed less often."""
    first = put(store, now, "A1")
    put(store, now, "B1", patient="B")
    with store.write() as session:
        outbox.not_sent(session, first, answer="The receiver does not answer in time")
    assert heads(store) == ["B1", "A1"]


def test_noting_twice_changes_nothing(store: Store, now: datetime) -> None:
    """A repeated note of the same answer lets no second message go."""
    first = put(store, now, "A1")
    for control_id in ("A2", "A3"):
        put(store, now, control_id)
    sent(store, first, now)
    sent(store, first, now)
    assert heads(store) == ["A2"]


def test_a_look_costs_what_can_be_sent(store: Store, now: datetime) -> None:
    """Thousands behind one parked message do not make a look slower than ten do."""

    def look() -> float:
        times = []
        for _ in range(20):
            start = time.perf_counter()
            assert heads(store) == ["B1"]
            times.append(time.perf_counter() - start)
        return sorted(times)[len(times) // 2]

    parked(store, put(store, now, "A0"), now)
    put(store, now, "B1", patient="B")
    for number in range(10):
        put(store, now, f"A1-{number}")
    few = look()
    with store.write() as session:
        session.add_all(
            OutboxMessage(
                site="main", destination="ehr", queue="A", message_type="ORU^R01", control_id=f"M{number}",
                payload=b"x" * 2000, state=QueueState.BEHIND, created_at=now,
            )
            for number in range(20_000)
        )  # fmt: skip
    assert look() < few * 5 + 0.002


def test_writers_and_a_sender_at_once_leave_nothing_stuck(store: Store, now: datetime) -> None:
    """However queueing and sending of one patient interleave, in the end everything has gone, in order."""
    gone: list[str] = []
    writing = threading.Event()

    def write(writer: int) -> None:
        for number in range(15):
            put(store, now, f"W{writer}-{number:02}")

    def send() -> None:
        while not writing.is_set() or heads(store):
            with store.read() as session:
                found = outbox.sendable(session, "main", "ehr", 5)
            for row in found:
                assert row.id is not None
                sent(store, row.id, now)
                gone.append(row.control_id)

    sender = threading.Thread(target=send)
    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in (sender, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    writing.set()
    sender.join(60)
    assert len(gone) == 45
    for number in range(3):
        own = [control_id for control_id in gone if control_id.startswith(f"W{number}-")]
        assert own == sorted(own)
    with store.read() as session:
        left = session.exec(select(func.count()).where(col(OutboxMessage.state) != QueueState.SENT)).one()
    assert left == 0


@pytest.fixture
def order_key(store: Store, now: datetime) -> str:
    """An order whose result is being published."""
    order = an_order()
    with store.write() as session:
        orders.place(session, order, source="test", occurred_at=now, now=now)
        for event in (Event.STUDY_FOUND, Event.REPORT_RECEIVED):
            orders.record(session, order.key, event, source="test", occurred_at=now, now=now)
    return order.key


def rests(store: Store, key: str, now: datetime, seen: orders.Look) -> bool:
    with store.write() as session:
        return orders.rest(
            session, key, leg="leg", revision=seen.progress.revision, nudges=seen.nudges, now=now
        )


def look(store: Store, key: str, now: datetime) -> orders.Look:
    with store.write() as session:
        return orders.look(session, key, leg="leg", now=now, lease=LEASE)


@pytest.mark.parametrize("outcome", [sent, parked])
def test_an_order_that_rests_is_woken_by_delivery(
    store: Store, now: datetime, order_key: str, outcome: object
) -> None:
    """As soon as its message is acknowledged, or refused."""
    assert callable(outcome)
    message_id = put(store, now, "R1", order_key=order_key, awaited=True)
    assert rests(store, order_key, now, look(store, order_key, now))
    with store.read() as session:
        assert orders.wanting_a_leg(session, now + LEASE) == []
    outcome(store, message_id, now)
    with store.read() as session:
        assert [row.key for row in orders.wanting_a_leg(session, now)] == [order_key]


def test_a_delivery_between_look_and_rest_is_not_slept_through(
    store: Store, now: datetime, order_key: str
) -> None:
    """The leg saw the message queued; it was sent, and the lease renewed, before the leg wanted to rest."""
    message_id = put(store, now, "R1", order_key=order_key, awaited=True)
    seen = look(store, order_key, now)
    sent(store, message_id, now)
    with store.write() as session:
        orders.renew(session, order_key, leg="leg", now=now, lease=LEASE)
    assert not rests(store, order_key, now, seen)
    assert rests(store, order_key, now, look(store, order_key, now))


def test_a_message_that_is_not_awaited_wakes_nobody(store: Store, now: datetime, order_key: str) -> None:
    """A leg for each status message would cost more than it tells."""
    message_id = put(store, now, "S1", order_key=order_key)
    assert rests(store, order_key, now, look(store, order_key, now))
    sent(store, message_id, now)
    with store.read() as session:
        assert session.get_one(OrderRow, order_key).wake_at is None


def test_what_is_owed_to_each_destination(store: Store, now: datetime) -> None:
    """How many wait, how many were refused, since when; who is owed nothing is not there."""
    first = put(store, now, "A1")
    put(store, now + timedelta(hours=1), "A2")
    put(store, now + timedelta(hours=2), "B1", patient="B")
    sent(store, put(store, now, "C1", destination="ris"), now)
    parked(store, first, now)
    with store.read() as session:
        owed = destinations.queues(session)
    assert owed == {("main", "ehr"): destinations.Queue(queued=2, parked=1, oldest=now)}


def test_one_sender_at_a_time(store: Store, now: datetime) -> None:
    """Until its lease runs out, or it lets go; renewing keeps it."""

    def takes(holder: str, at: datetime) -> bool:
        with store.write() as session:
            return destinations.take(session, "main", "ehr", holder=holder, now=at, lease=LEASE)

    assert takes("one", now)
    assert takes("one", now)
    assert not takes("two", now + LEASE / 2)
    with store.write() as session:
        destinations.renew(session, "one", now=now + LEASE / 2, lease=LEASE)
    assert not takes("two", now + LEASE)
    with store.write() as session:
        destinations.release(session, "one")
    assert takes("two", now + LEASE)
    assert takes("one", now + LEASE * 2)

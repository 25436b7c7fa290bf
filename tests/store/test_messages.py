"""The inbox in the store, on both databases."""

import hashlib
from datetime import datetime

import pytest
from sqlmodel import col, select

from radflow.store import messages, replays
from radflow.store.engine import Store
from radflow.store.messages import Arrival, LinkKind, MessageState
from radflow.store.tables import Message


def a_message(
    now: datetime,
    control_id: str = "M1",
    *,
    site: str = "main",
    message_type: str = "ORM^O01",
    state: MessageState = MessageState.RECEIVED,
    ack_code: str = "AA",
    reason: str = "",
) -> Arrival:
    raw = f"MSH|{control_id}".encode()
    return Arrival(
        received_at=now, site=site, peer="127.0.0.1:1", sender="EHR|HOSP", control_id=control_id,
        message_type=message_type, version="2.5.1", raw=raw, digest=hashlib.sha256(raw).hexdigest(),
        state=state, ack_code=ack_code, reason=reason,
    )  # fmt: skip


def kept(store: Store, *batch: Arrival) -> list[Message]:
    with store.write() as session:
        messages.keep(session, batch)
    with store.read() as session:
        return list(session.exec(select(Message).order_by(col(Message.id))))


def test_a_message_sent_again_is_counted(store: Store, now: datetime) -> None:
    """In the same group or another: the same bytes under the same MSH-10 are one message."""
    kept(store, a_message(now), a_message(now), a_message(now, "M2"))
    found = kept(store, a_message(now), a_message(now, site="other"))
    assert [(one.control_id, one.site, one.copies) for one in found] == [
        ("M1", "main", 3), ("M2", "main", 1), ("M1", "other", 1),
    ]  # fmt: skip


def test_what_was_processed_is_not_received_anew(store: Store, now: datetime) -> None:
    """A copy changes the count and nothing else."""
    (message,) = kept(store, a_message(now))
    with store.write() as session:
        messages.mark_processed(session, message, ["key"], now)
    (message,) = kept(store, a_message(now))
    assert (message.state, message.copies) == ("processed", 2)
    with store.read() as session:
        assert messages.links_of(session, [message.id], LinkKind.ORDER) == {message.id: ["key"]}


def test_what_was_refused_is_received_once_it_can_be_taken(store: Store, now: datetime) -> None:
    """The sender is told AA then, so it must not stay in quarantine."""
    refused = a_message(now, state=MessageState.QUARANTINED, ack_code="AR", reason="not taken")
    kept(store, refused)
    (message,) = kept(store, a_message(now))
    assert (message.state, message.ack_code, message.reason) == ("received", "AA", "")


def test_the_oldest_come_first(store: Store, now: datetime) -> None:
    """Only those that nobody has looked at, in the order they came."""
    first, *_ = kept(store, *(a_message(now, f"M{number}") for number in range(4)))
    with store.write() as session:
        messages.quarantine(session, first, "broken", now)
        assert messages.claim(session, [first.id or 0]) == []
    with store.write() as session:
        ids = messages.next_received(session, 2)
        assert [message.control_id for message in messages.claim(session, ids)] == ["M1", "M2"]


def test_a_replay(store: Store, now: datetime) -> None:
    """The message is as if it had just come."""
    (message,) = kept(store, a_message(now))
    with store.write() as session:
        messages.quarantine(session, message, "broken", now)
    with store.write() as session:
        assert replays.requeue(session, [message.id or 0, 4711]) == 1
    with store.read() as session:
        again = session.get_one(Message, message.id)
        assert (again.state, again.reason, again.processed_at) == ("received", "", None)


@pytest.mark.parametrize("number", ["A1", 'quoted"', "100%", "_", "back\\slash", "北京"])
def test_a_placed_order_calls_what_waits_for_it(store: Store, now: datetime, number: str) -> None:
    """By any of its numbers, exactly, at its own site."""
    waiting = [a_message(now, "M1"), a_message(now, "M2"), a_message(now, "M3", site="other")]
    one, longer, elsewhere = kept(store, *waiting)
    with store.write() as session:
        messages.mark_waiting(session, one, "orphan", ["P9", number], now)
        messages.mark_waiting(session, longer, "orphan", [f"{number}0"], now)
        messages.mark_waiting(session, elsewhere, "orphan", [number], now)
    with store.write() as session:
        messages.requeue_waiting_for(session, "main", {number, "unrelated"})
    with store.read() as session:
        states = session.exec(select(Message.state).order_by(col(Message.id))).all()
    assert states == ["received", "waiting", "waiting"]

"""What is done with goes after its days; what is owed, in error or of an open order never does."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import col, func, select

from radflow.order import Event
from radflow.store import messages, orders, outbox, replays, reports, retention
from radflow.store.engine import Store
from radflow.store.messages import LinkKind, MessageState
from radflow.store.outbox import QueueState
from radflow.store.retention import Pruned, PruneFailed
from radflow.store.tables import Message, MessageLink, ReportRow
from tests.builders import an_order
from tests.builders_inbox import arrival
from tests.builders_result import a_report

OLD = timedelta(days=31)
DONE = (MessageState.PROCESSED, MessageState.FILTERED, MessageState.REPAIRED)
UNDONE = (MessageState.RECEIVED, MessageState.WAITING, MessageState.QUARANTINED)


def keep(store: Store, now: datetime, *states: str, site: str = "main", **columns: Any) -> None:
    """A message in each of these states, in this order."""
    with store.write() as session:
        last = session.exec(select(func.max(Message.id))).one() or 0
        batch = [
            arrival(f"MSH|{last + number}|{site}".encode(), now, site=site, state=state, **columns)
            for number, state in enumerate(states)
        ]
        messages.keep(session, batch)


def prune(store: Store, now: datetime, messages_days: int = 30, outbox_days: int = 30, **how: Any) -> Pruned:
    return retention.prune(
        store, "main", messages_days=messages_days, outbox_days=outbox_days, now=now, **how
    )


def left(store: Store) -> Sequence[int | None]:
    with store.read() as session:
        return session.exec(select(Message.id).order_by(col(Message.id))).all()


def test_by_state(store: Store, now: datetime) -> None:
    """Processed, filtered and repaired messages go; those of other sites stay, and the newest of all."""
    keep(store, now, *DONE, *UNDONE)
    keep(store, now, MessageState.PROCESSED, site="other")
    keep(store, now, MessageState.PROCESSED)
    assert prune(store, now + OLD) == Pruned(messages=3)
    assert left(store) == [4, 5, 6, 7, 8]
    assert prune(store, now + OLD) == Pruned()


def test_the_number_of_a_pruned_message_is_not_given_again(store: Store, now: datetime) -> None:
    """An order's log names messages by number, and the newest has the last word."""
    keep(store, now, *[MessageState.PROCESSED] * 3)
    prune(store, now + OLD)
    keep(store, now + OLD, MessageState.RECEIVED)
    assert left(store) == [3, 4]


def test_by_age(store: Store, now: datetime) -> None:
    """Days count from when it came and from when it was done; 0 keeps for ever."""
    keep(store, now, *[MessageState.PROCESSED] * 3)
    with store.write() as session:
        late = session.get_one(Message, 2)
        messages.mark_processed(session, late, [], now + timedelta(days=20))
    assert prune(store, now + timedelta(days=29)) == Pruned()
    assert prune(store, now + OLD, messages_days=0, outbox_days=0) == Pruned()
    assert prune(store, now + OLD) == Pruned(messages=1)
    assert left(store) == [2, 3]


@pytest.mark.parametrize(("end", "gone"), [(None, 0), (Event.ORDER_CANCELLED, 2)])
def test_messages_of_an_open_order_stay(store: Store, now: datetime, end: Event | None, gone: int) -> None:
    """Whatever their age, until the order has come to its end."""
    order = an_order()
    keep(store, now, *[MessageState.PROCESSED] * 3)
    with store.write() as session:
        orders.place(session, order, source="message:1", occurred_at=now, now=now)
        messages.link(session, {1: [order.key], 2: [order.key]}, LinkKind.ORDER)
        if end:
            orders.record(session, order.key, end, source="message:2", occurred_at=now, now=now)
    assert prune(store, now + OLD) == Pruned(messages=gone)
    with store.read() as session:
        assert len(session.exec(select(MessageLink)).all()) == 2 - gone
        assert len(orders.events_of(session, order.key)) == (2 if end else 1)


@pytest.mark.parametrize("state", list(QueueState))
def test_what_is_still_owed_stays(store: Store, now: datetime, state: QueueState) -> None:
    """A message that is passed on stays until it is delivered or given up, and goes together with that."""
    keep(store, now, *[MessageState.PROCESSED] * 2)
    put(store, now, state, message_id=1)
    done = state in (QueueState.SENT, QueueState.SKIPPED)
    assert prune(store, now + OLD) == (Pruned(messages=1, outbox=1) if done else Pruned())
    assert left(store) == ([2] if done else [1, 2])


@pytest.mark.parametrize("state", list(QueueState))
def test_the_outbox(store: Store, now: datetime, state: QueueState) -> None:
    """What was sent of radflow's own goes once its order has come to its end; what is owed never does."""
    order = an_order()
    with store.write() as session:
        orders.place(session, order, source="message:1", occurred_at=now, now=now)
    put(store, now, state, order_key=order.key)
    assert prune(store, now + OLD) == Pruned()
    with store.write() as session:
        orders.record(session, order.key, Event.ORDER_CANCELLED, source="t", occurred_at=now, now=now)
    done = state in (QueueState.SENT, QueueState.SKIPPED)
    assert prune(store, now + OLD, dry_run=True) == Pruned(outbox=int(done))
    assert prune(store, now + OLD) == Pruned(outbox=int(done))


def test_messages_of_an_order_whose_result_is_still_owed_stay(store: Store, now: datetime) -> None:
    """The order has come to its end, its result has not arrived."""
    order = an_order()
    keep(store, now, *[MessageState.PROCESSED] * 2)
    with store.write() as session:
        orders.place(session, order, source="message:1", occurred_at=now, now=now)
        orders.record(session, order.key, Event.ORDER_CANCELLED, source="t", occurred_at=now, now=now)
        messages.link(session, {1: [order.key]}, LinkKind.ORDER)
    put(store, now, QueueState.PARKED, order_key=order.key)
    assert prune(store, now + OLD) == Pruned()


def put(store: Store, now: datetime, state: QueueState, **of: Any) -> None:
    with store.write() as session:
        row = outbox.queue(
            session, site="main", destination="ehr", queue="", message_type="ORU^R01", control_id="C1",
            payload=b"", now=now, **of,
        )  # fmt: skip
        row.state, row.sent_at = state, now if state is QueueState.SENT else None
        session.add(row)


def test_a_report_outlives_its_message(store: Store, now: datetime) -> None:
    """It no longer says which message has brought it."""
    order = an_order()
    keep(store, now, *[MessageState.PROCESSED] * 2)
    with store.write() as session:
        orders.place(session, order, source="message:1", occurred_at=now, now=now)
        orders.record(session, order.key, Event.ORDER_CANCELLED, source="t", occurred_at=now, now=now)
        reports.save(session, order.key, a_report(), 1, now)
    assert prune(store, now + OLD) == Pruned(messages=1)
    with store.read() as session:
        assert session.exec(select(ReportRow.message_id)).all() == [None]


@pytest.mark.parametrize("state", [*DONE, *UNDONE])
def test_an_original_stays_until_its_repair_is_done(store: Store, now: datetime, state: str) -> None:
    """What was made from it no longer names it afterwards."""
    keep(store, now, MessageState.REPAIRED, state, MessageState.RECEIVED)
    with store.write() as session:
        repair = session.get_one(Message, 2)
        repair.repairs, repair.received_at = 1, now + OLD
        session.add(repair)
    done = state in DONE
    assert prune(store, now + OLD) == Pruned(messages=int(done))
    with store.read() as session:
        assert session.get_one(Message, 2).repairs == (None if done else 1)


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_small_transactions_and_a_dry_run(store: Store, now: datetime, batch: int) -> None:
    """In batches all of them go, past those that stay; a dry run counts the same and removes nothing."""
    keep(store, now, *[*DONE, *UNDONE] * 2)
    assert prune(store, now + OLD, batch=batch, dry_run=True) == Pruned(messages=6)
    assert prune(store, now + OLD, batch=batch) == Pruned(messages=6)
    assert len(left(store)) == 6


def test_a_failure_tells_how_far_it_came(
    store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has gone is gone, what failed is whole, the next time goes on. The error tells nothing of rows."""
    keep(store, now, *[MessageState.PROCESSED] * 6)
    remove, calls = retention._remove_messages, iter(range(10))

    def breaks(session: Any, ids: Sequence[int]) -> Pruned:
        gone = remove(session, ids)
        if next(calls) == 1:
            raise OperationalError("DELETE", {}, Exception("Müller"))
        return gone

    monkeypatch.setattr(retention, "_remove_messages", breaks)
    with pytest.raises(PruneFailed, match="main: pruning stopped at OperationalError, after 2") as told:
        prune(store, now + OLD, batch=2)
    assert told.value.done == Pruned(messages=2)
    assert told.value.__cause__ is None
    assert "Müller" not in str(told.value)
    assert left(store) == [3, 4, 5, 6]
    assert prune(store, now + OLD, batch=2) == Pruned(messages=3)


def test_a_message_that_is_replayed_meanwhile_stays(store: Store, now: datetime) -> None:
    """Whoever is first: a message that is received again is not removed."""
    keep(store, now, *[MessageState.PROCESSED] * 3)
    with store.write() as session:
        replays.requeue(session, [1])
    assert prune(store, now + OLD) == Pruned(messages=1)
    assert left(store) == [1, 3]

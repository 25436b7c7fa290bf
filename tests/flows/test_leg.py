"""A leg that does a step which waits or fails: how it rests, and that it sleeps through no delivery."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from flows import leg as of_leg
from flows.leg import Leg
from flows.runtime import DirectRuntime
from radflow.clock import utc_now
from radflow.connectors.errors import Unavailable
from radflow.order import Event, State
from radflow.store import orders, outbox
from radflow.store.engine import Store
from radflow.store.tables import OrderRow
from tasks.waiting import Waiting
from tests.builders import an_order
from tests.outbox_builders import put

KEY = an_order().key


class ConfirmDelivery:
    """A step that waits, while which something may happen."""

    name = "confirm_delivery"

    def __init__(self, meanwhile: object = None) -> None:
        self._meanwhile = meanwhile

    def __call__(self, order_key: str) -> Waiting:
        if callable(self._meanwhile):
            self._meanwhile()
        return Waiting("not yet delivered to ehr")


class WriteRow:
    """A step that is done at once, while which something may happen."""

    name = "write_to_warehouse"

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._meanwhile = meanwhile

    def __call__(self, order_key: str) -> dict[str, str]:
        self._meanwhile()
        return {}


class Bench(DirectRuntime):
    """Legs without Prefect; what they ask for is kept."""

    def __init__(self) -> None:
        self.suspended: list[str] = []

    def call(self, step: Any, order_key: str) -> Any:
        return step(order_key)

    def suspend(self, wait: str) -> None:
        self.suspended.append(wait)


@pytest.fixture
def bench(store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """An order at work, without Prefect."""
    with store.write() as session:
        orders.place(session, an_order(), source="test", occurred_at=now, now=now)
    monkeypatch.setattr(of_leg, "store", lambda: store)
    return Bench()


def row_of(store: Store) -> OrderRow:
    with store.read() as session:
        return session.get_one(OrderRow, KEY)


def test_a_step_that_waits_lets_the_order_rest(store: Store, bench: Bench) -> None:
    """No attempt, no trouble, no line in the log, and no time to wake: the delivery does that."""
    with Leg(KEY, bench) as leg:
        leg.do(ConfirmDelivery())
    row = row_of(store)
    assert len(bench.suspended) == 1
    assert (row.leg, row.wake_at, row.attempts, row.trouble, row.steps_done) == (None, None, 0, "", [])
    with store.read() as session:
        assert len(orders.events_of(session, KEY)) == 1


def test_a_step_that_news_have_overtaken_is_done_again(store: Store, now: datetime, bench: Bench) -> None:
    """A correction that comes while the result goes out: it is not taken for published."""

    def published() -> None:
        with store.write() as session:
            for event in (Event.STUDY_FOUND, Event.REPORT_RECEIVED):
                orders.record(session, KEY, event, source="t", occurred_at=now, now=now)

    with Leg(KEY, bench) as leg:
        leg.do(WriteRow(published))
        assert leg.state is State.REPORTED
        assert leg.first_undone([WriteRow()]) is not None
        leg.do(WriteRow())
        assert leg.first_undone([WriteRow()]) is None


def test_a_chapter_that_news_have_overtaken_is_not_ended(store: Store, now: datetime, bench: Bench) -> None:
    """A modality begins between the last step and the event that ends the chapter: the order is started."""
    with Leg(KEY, bench) as leg:
        with store.write() as session:
            orders.record(session, KEY, Event.STEP_STARTED, source="mpps:1", occurred_at=now, now=now)
        leg.record(Event.WORKLISTED)
        assert leg.state is State.STARTED


def test_a_delivery_while_the_step_looks_is_not_slept_through(
    store: Store, now: datetime, bench: Bench
) -> None:
    """The message is acknowledged after the step has looked and before the leg rests."""
    message_id = put(store, now, "R1", order_key=KEY, awaited=True)

    def acknowledged() -> None:
        with store.write() as session:
            outbox.sent(session, message_id, answer="AA", now=now)

    with Leg(KEY, bench) as leg:
        leg.do(ConfirmDelivery(acknowledged))
        assert bench.suspended == []
        assert row_of(store).leg == leg.id
        leg.do(ConfirmDelivery())
    assert len(bench.suspended) == 1


class Publish:
    """A step whose receiver is busy, and asks to be left alone for so long."""

    name = "publish_to_fhir"

    def __init__(self, retry_after: timedelta) -> None:
        self._retry_after = retry_after

    def __call__(self, order_key: str) -> None:
        busy = Unavailable("busy")
        busy.retry_after = self._retry_after
        raise busy


@pytest.mark.parametrize(("asked", "heeded"), [(0, 5), (90, 90), (86_400, 900)])
def test_a_receiver_is_left_alone_as_long_as_it_asks(
    asked: int, heeded: int, store: Store, bench: Bench
) -> None:
    """At least our own pause, at most the longest of them: 5 and 900 seconds by default."""
    with Leg(KEY, bench) as leg:
        leg.do(Publish(timedelta(seconds=asked)))
    wake_at = row_of(store).wake_at
    assert wake_at is not None
    assert timedelta(seconds=heeded - 5) < wake_at - utc_now() <= timedelta(seconds=heeded)

"""Orders in the store, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest

from radflow.model import Order
from radflow.order import Event, NotAllowed, State
from radflow.store import orders
from radflow.store.engine import Store
from tests.builders import an_order

LEASE = timedelta(seconds=60)


def placed(store: Store, now: datetime, order: Order | None = None) -> Order:
    order = order or an_order()
    with store.write() as session:
        orders.place(session, order, source="test", occurred_at=now, now=now)
    return order


def test_an_equal_order_changes_nothing(store: Store, now: datetime) -> None:
    """A replayed order is known by its content: one event, one revision."""
    order = placed(store, now)
    placed(store, now + timedelta(days=1), order)
    with store.read() as session:
        assert [e.event for e in orders.events_of(session, order.key)] == [Event.ORDER_RECEIVED]


def test_a_changed_order_is_received_anew(store: Store, now: datetime) -> None:
    """Another procedure moves a worklisted order back to received, to be worklisted as it is now."""
    order = placed(store, now)
    with store.write() as session:
        orders.record(session, order.key, Event.WORKLISTED, source="t", occurred_at=now, now=now)
    placed(store, now, an_order(reason="changed"))
    with store.write() as session:
        look = orders.look(session, order.key, leg="leg-1", now=now, lease=LEASE)
    assert (look.state, look.order.reason) == (State.RECEIVED, "changed")


def test_times_come_back_aware_and_in_utc(store: Store, now: datetime) -> None:
    """Both databases give back the instant that was stored."""
    order = placed(store, now)
    with store.read() as session:
        (event,) = orders.events_of(session, order.key)
    assert event.occurred_at == now
    assert event.occurred_at.tzinfo is UTC


def test_news_between_look_and_rest_is_not_slept_through(store: Store, now: datetime) -> None:
    """A leg may not rest on a revision that it has not seen."""
    order = placed(store, now)
    with store.write() as session:
        seen = orders.look(session, order.key, leg="leg-1", now=now, lease=LEASE).progress.revision
    with store.write() as session:
        orders.record(session, order.key, Event.STUDY_FOUND, source="t", occurred_at=now, now=now)
    with store.write() as session:
        assert not orders.rest(session, order.key, leg="leg-1", revision=seen, now=now)
        assert orders.rest(session, order.key, leg="leg-1", revision=seen + 1, now=now)
        assert orders.wanting_a_leg(session, now + timedelta(days=99)) == []


def test_the_lease_of_a_dead_leg_wakes_the_order(store: Store, now: datetime) -> None:
    """A leg that never comes back leaves its lease as the time to wake."""
    order = placed(store, now)
    with store.write() as session:
        orders.look(session, order.key, leg="dead", now=now, lease=LEASE)
    with store.write() as session:
        assert orders.wanting_a_leg(session, now + LEASE / 2) == []
        assert [row.key for row in orders.wanting_a_leg(session, now + LEASE)] == [order.key]


def test_a_leg_that_was_overtaken_records_nothing(store: Store, now: datetime) -> None:
    """Only the leg that holds the order may complete a step."""
    order = placed(store, now)
    later = now + LEASE * 2
    with store.write() as session:
        orders.look(session, order.key, leg="slow", now=now, lease=LEASE)
    with store.write() as session, pytest.raises(orders.LegLost):
        orders.look(session, order.key, leg="too early", now=now, lease=LEASE)
    with store.write() as session:
        orders.look(session, order.key, leg="next", now=later, lease=LEASE)
    with store.write() as session, pytest.raises(orders.LegLost):
        orders.record(
            session,
            order.key,
            Event.STEP_COMPLETED,
            step="x",
            leg="slow",
            source="t",
            occurred_at=now,
            now=now,
        )


def test_news_reopen_a_finished_order_with_a_run_of_its_own(store: Store, now: datetime) -> None:
    """A corrected report after publication starts the next round."""
    order = placed(store, now)
    events = (Event.WORKLISTED, Event.STUDY_FOUND, Event.REPORT_RECEIVED, Event.PUBLISHED)
    with store.write() as session:
        for event in events:
            orders.record(session, order.key, event, source="t", occurred_at=now, now=now)
        orders.record(session, order.key, Event.REPORT_RECEIVED, source="t", occurred_at=now, now=now)
        look = orders.look(session, order.key, leg="leg", now=now, lease=LEASE)
    assert (look.state, look.round) == (State.REPORTED, 2)


def test_what_the_table_does_not_know_leaves_no_trace(store: Store, now: datetime) -> None:
    """A refused event is rolled back whole."""
    order = placed(store, now)
    with pytest.raises(NotAllowed), store.write() as session:
        orders.record(session, order.key, Event.PUBLISHED, source="t", occurred_at=now, now=now)
    with store.read() as session:
        assert len(orders.events_of(session, order.key)) == 1


def test_the_schema_is_what_the_migrations_make(store: Store) -> None:
    """Nobody changes a table without a migration."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlmodel import SQLModel

    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []

"""Waking orders, with Prefect in memory and a clock that the test owns."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from prefect.client.schemas.objects import StateType

from radflow.connectors.orchestrator import FakeOrchestrator, OrchestratorUnavailable, RunState
from radflow.order import Event
from radflow.store import orders
from radflow.store.engine import Store
from radflow.store.tables import OrderRow
from tasks.wake import PATIENCE, STOPPED, wake_orders
from tests.builders import an_order

LEASE = timedelta(seconds=60)


@pytest.fixture
def prefect(now: datetime) -> FakeOrchestrator:
    return FakeOrchestrator(now)


@pytest.fixture
def key(store: Store, now: datetime) -> str:
    """A new order, not yet known to Prefect."""
    order = an_order()
    with store.write() as session:
        orders.place(session, order, source="test", occurred_at=now, now=now)
    return order.key


def run_a_leg(store: Store, prefect: FakeOrchestrator, key: str, now: datetime) -> None:
    """A leg that finds nothing to do: it looks, rests, and its run is suspended."""
    with store.write() as session:
        seen = orders.look(session, key, leg="leg", now=now, lease=LEASE)
        orders.rest(session, key, leg="leg", revision=seen.progress.revision, now=now)
    (run_id,) = prefect.runs
    prefect.runs[run_id] = RunState(StateType.PAUSED, now)


def news(store: Store, key: str, now: datetime) -> None:
    with store.write() as session:
        orders.record(session, key, Event.STUDY_FOUND, source="test", occurred_at=now, now=now)


def test_a_new_order_gets_one_run(store: Store, prefect: FakeOrchestrator, key: str, now: datetime) -> None:
    """However often the dispatcher looks, the order has one run."""
    assert wake_orders(store, prefect, now).created == [key]
    assert not wake_orders(store, prefect, now)
    assert not wake_orders(store, prefect, now + 2 * PATIENCE)
    assert len(prefect.runs) == 1


def test_news_resume_the_suspended_run(
    store: Store, prefect: FakeOrchestrator, key: str, now: datetime
) -> None:
    """A suspended order sleeps until news come, and is then resumed once."""
    wake_orders(store, prefect, now)
    run_a_leg(store, prefect, key, now)
    assert not wake_orders(store, prefect, now + timedelta(days=21))
    news(store, key, now)
    assert wake_orders(store, prefect, now).resumed == [key]
    assert not wake_orders(store, prefect, now)


def test_news_that_overtake_the_suspension_are_not_lost(
    store: Store, prefect: FakeOrchestrator, key: str, now: datetime
) -> None:
    """The leg has let go, Prefect still shows the run as running: asked again a moment later."""
    wake_orders(store, prefect, now)
    run_a_leg(store, prefect, key, now)
    (run_id,) = prefect.runs
    prefect.runs[run_id] = RunState(StateType.RUNNING, now)
    news(store, key, now)
    assert not wake_orders(store, prefect, now)
    prefect.runs[run_id] = RunState(StateType.PAUSED, now)
    assert wake_orders(store, prefect, now + timedelta(seconds=1)).resumed == [key]


@pytest.mark.parametrize("state", [StateType.RUNNING, StateType.CRASHED, StateType.FAILED, StateType.PENDING])
def test_a_lost_leg_is_run_again_as_the_same_run(
    store: Store, prefect: FakeOrchestrator, key: str, now: datetime, state: StateType
) -> None:
    """The worker died with the leg: when the lease is over, the same run is scheduled again."""
    wake_orders(store, prefect, now)
    (run_id,) = prefect.runs
    with store.write() as session:
        orders.look(session, key, leg="dead", now=now, lease=LEASE)
    prefect.runs[run_id] = RunState(state, now)
    assert not wake_orders(store, prefect, now + LEASE / 2)
    assert wake_orders(store, prefect, now + LEASE).rescued == [key]
    assert list(prefect.runs) == [run_id]


def test_a_run_whose_worker_died_before_its_leg_began_is_scheduled_again(
    store: Store, prefect: FakeOrchestrator, key: str, now: datetime
) -> None:
    """Claimed, and never started: looked at again as soon as it has been so for half a minute."""
    wake_orders(store, prefect, now)
    (run_id,) = prefect.runs
    claimed = now + PATIENCE - timedelta(seconds=1)
    prefect.runs[run_id] = RunState(StateType.PENDING, claimed)
    assert not wake_orders(store, prefect, now + PATIENCE)
    assert wake_orders(store, prefect, claimed + PATIENCE).rescued == [key]


def test_a_leg_that_a_person_has_stopped_is_not_run_again(
    store: Store, prefect: FakeOrchestrator, key: str, now: datetime
) -> None:
    """Its run was cancelled in Prefect: the order rests, asks for a person, and goes on with news."""
    wake_orders(store, prefect, now)
    (run_id,) = prefect.runs
    with store.write() as session:
        orders.look(session, key, leg="stopped", now=now, lease=LEASE)
    prefect.runs[run_id] = RunState(StateType.CANCELLED, now)
    assert not wake_orders(store, prefect, now + LEASE)
    with store.read() as session:
        row = session.get_one(OrderRow, key)
    assert (row.leg, row.wake_at, row.trouble) == (None, None, STOPPED)
    assert not wake_orders(store, prefect, now + timedelta(days=1))
    news(store, key, now + timedelta(days=1))
    assert wake_orders(store, prefect, now + timedelta(days=1)).rescued == [key]


def test_news_of_a_leg_that_was_just_stopped_are_not_lost(
    store: Store, prefect: FakeOrchestrator, key: str, now: datetime
) -> None:
    """They come while the cancelled leg still seems to hold the order, and wake it at once."""
    wake_orders(store, prefect, now)
    (run_id,) = prefect.runs
    with store.write() as session:
        orders.look(session, key, leg="stopped", now=now, lease=LEASE)
    prefect.runs[run_id] = RunState(StateType.CANCELLED, now)
    news(store, key, now + LEASE / 2)
    assert wake_orders(store, prefect, now + LEASE / 2).rescued == [key]


def test_news_that_come_while_prefect_is_asked_are_not_lost(
    store: Store, prefect: FakeOrchestrator, key: str, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come between the answer, that a person has stopped the leg, and what is noted of it."""
    wake_orders(store, prefect, now)
    (run_id,) = prefect.runs
    with store.write() as session:
        orders.look(session, key, leg="stopped", now=now, lease=LEASE)
    later = now + LEASE

    def stopped(_run_id: str) -> bool:
        news(store, key, later)
        return False

    prefect.runs[run_id] = RunState(StateType.CANCELLED, now)
    with monkeypatch.context() as patch:
        patch.setattr(prefect, "resume", stopped)
        assert not wake_orders(store, prefect, later)
    assert wake_orders(store, prefect, later).rescued == [key]


def test_legs_in_line_are_looked_at_ever_more_rarely_and_all_at_once(
    store: Store, prefect: FakeOrchestrator, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand orders that wait for a process would otherwise keep Prefect from giving them one."""
    with store.write() as session:
        for number in range(3):
            orders.place(session, an_order(f"P{number}"), source="test", occurred_at=now, now=now)
    wake_orders(store, prefect, now)
    asked: list[tuple[datetime, str, int]] = []
    at = now
    resume, states = prefect.resume, prefect.states

    def resumed(run: str) -> bool:
        asked.append((at, "resume", 1))
        return resume(run)

    def looked_at(runs: Sequence[str]) -> dict[str, RunState]:
        asked.append((at, "states", len(runs)))
        return states(runs)

    monkeypatch.setattr(prefect, "resume", resumed)
    monkeypatch.setattr(prefect, "states", looked_at)
    for seconds in range(0, 1200, 10):
        at = now + timedelta(seconds=seconds)
        wake_orders(store, prefect, at)
    assert {(call, runs) for _, call, runs in asked} == {("states", 3)}
    assert [(when - now).total_seconds() for when, *_ in asked] == [30, 60, 120, 240, 480, 780, 1080]
    for run_id in prefect.runs:
        prefect.runs[run_id] = RunState(StateType.PAUSED, at)
    assert len(wake_orders(store, prefect, now + timedelta(seconds=1380)).resumed) == 3


def test_prefect_down_keeps_the_wish_to_wake(
    store: Store, prefect: FakeOrchestrator, key: str, now: datetime
) -> None:
    """Orders wait while Prefect is away, and are woken as soon as it is back."""
    prefect.down = True
    with pytest.raises(OrchestratorUnavailable):
        wake_orders(store, prefect, now)
    prefect.down = False
    assert wake_orders(store, prefect, now).created == [key]


def test_a_run_that_prefect_has_lost_is_made_again(
    store: Store, prefect: FakeOrchestrator, key: str, now: datetime
) -> None:
    """Prefect's database is gone: the open order's run is made from the store."""
    wake_orders(store, prefect, now)
    run_a_leg(store, prefect, key, now)
    prefect.runs.clear()
    news(store, key, now)
    wake_orders(store, prefect, now)
    assert wake_orders(store, prefect, now).created == [key]
    assert len(prefect.runs) == 1

"""Services hear at once of what others commit, and look in any case once in a while."""

import sqlite3
import time
from collections.abc import Iterator

import pytest

from radflow.stopping import Stop
from radflow.store import watch
from radflow.store.engine import Store
from radflow.store.tables import DestinationState
from radflow.store.watch import Watch
from tests.conftest import on_sqlite_alone

LONG = 3600.0
"""Seconds: nothing here waits for them."""


@pytest.fixture
def watched(store: Store) -> Iterator[Watch]:
    opened = Watch(store)
    yield opened
    opened.close()


class Counted(Stop):
    """Nobody tells it to stop; it notes how long it was asked to wait, and does not."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return self.told


def write(store: Store, *, fails: bool = False) -> None:
    with store.write() as session:
        session.add(DestinationState(site="main", name="ehr"))
        session.flush()
        if fails:
            raise RuntimeError


@on_sqlite_alone
def test_a_commit_makes_another_version(store: Store, watched: Watch) -> None:
    """And only a commit does: what was rolled back or read changes nothing."""
    before = watched.version()
    with store.read() as session:
        assert session.get(DestinationState, ("main", "ehr")) is None
    with pytest.raises(RuntimeError):
        write(store, fails=True)
    assert watched.version() == before
    write(store)
    assert watched.version() != before


@on_sqlite_alone
def test_what_comes_during_a_look_ends_the_wait(
    store: Store, watched: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one pause: where something is committed all the time, nobody looks without end."""
    monkeypatch.setattr(watch, "LOOKS_EVERY", LONG)
    seen, stop = watched.version(), Counted()
    write(store)
    watched.wait(seen, stop)
    assert stop.pauses == [watch.ASKS_EVERY]


@pytest.mark.parametrize("which", ["told to stop", "time to look"])
def test_without_a_commit_the_wait_ends_too(
    store: Store, watched: Watch, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    for name in ("LOOKS_EVERY", "LOOKS_BLINDLY_EVERY", "ASKS_EVERY"):
        monkeypatch.setattr(watch, name, 0.01 if which == "time to look" else LONG)
    stop = Stop()
    stop.told = which == "told to stop"
    begun = time.monotonic()
    watched.wait(watched.version(), stop)
    assert time.monotonic() - begun < LONG / 2


@on_sqlite_alone
def test_a_store_that_is_away_is_looked_at(watched: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look is what says so; the watch does not take the service down."""
    away = sqlite3.connect(":memory:")
    away.close()
    monkeypatch.setattr(watched, "_sqlite", away)
    assert watched.version() == 0

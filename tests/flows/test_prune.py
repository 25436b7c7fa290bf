"""The prune flow on a Prefect server of the test's own: what it has done, and failures that are seen."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import State
from prefect.testing.utilities import prefect_test_harness
from sqlmodel import col, select

from flows.prune import prune
from radflow.store import messages, retention
from radflow.store.engine import Store
from radflow.store.messages import MessageState
from radflow.store.retention import Pruned
from radflow.store.tables import Message
from tests.builders_inbox import arrival


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=300):
        yield


@pytest.fixture(autouse=True)
def old_messages(installed: Path, store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sites with a message that is done with, one in error, and a new one."""
    long_ago = now - timedelta(days=31)
    for site in ("main", "second"):
        (installed / f"{site}.toml").write_text("[retention]\nmessages_days = 30\n")
        with store.write() as session:
            batch = [
                arrival(b"1", long_ago, site=site, state=MessageState.PROCESSED),
                arrival(b"2", long_ago, site=site, state=MessageState.QUARANTINED),
                arrival(b"3", now, site=site, state=MessageState.PROCESSED),
            ]
            messages.keep(session, batch)
    monkeypatch.setattr("tasks.prune.utc_now", lambda: now)


def left(store: Store) -> list[tuple[str, bytes]]:
    with store.read() as session:
        return [(row.site, row.raw) for row in session.exec(select(Message).order_by(col(Message.id)))]


def test_every_site_is_pruned(store: Store) -> None:
    """By its own days; the run says how many have gone."""
    assert prune() == {"main": {"messages": 1, "outbox": 0}, "second": {"messages": 1, "outbox": 0}}
    assert left(store) == [("main", b"2"), ("main", b"3"), ("second", b"2"), ("second", b"3")]


def test_one_site(store: Store) -> None:
    """A site by its name."""
    assert list(prune("second")) == ["second"]
    assert len(left(store)) == 5


def test_a_failure_is_seen(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run has failed and says where and why, without the patient; the other site is pruned."""
    remove = retention._remove_messages

    def breaks(session: Any, ids: list[int]) -> Pruned:
        if session.get_one(Message, ids[0]).site == "main":
            raise OSError("Müller")
        return remove(session, ids)

    monkeypatch.setattr(retention, "_remove_messages", breaks)
    state: State[Any] = prune(return_state=True)
    assert state.is_failed()
    assert state.message is not None
    assert "Site main: pruning stopped at OSError, after 0 messages" in state.message
    assert "Müller" not in state.message
    assert left(store) == [
        ("main", b"1"), ("main", b"2"), ("main", b"3"), ("second", b"2"), ("second", b"3"),
    ]  # fmt: skip

"""The sweep flow on a Prefect server of the test's own: archive after archive, site after site."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness

from flows.sweep import sweep
from radflow.connectors.archive import FakeArchive
from radflow.store import orders
from radflow.store.engine import Store
from radflow.store.tables import OrderRow
from tests.builders import an_order
from tests.finding import ARCHIVE, a_study


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=300):
        yield


def test_the_next_archive_is_asked_for_what_is_left(
    installed: Path, store: Store, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three archives one is down, one has a study, one has another; another site has none."""
    (installed / "main.toml").write_text("".join(ARCHIVE.format(name=name) for name in ("a", "b", "c")))
    (installed / "empty.toml").write_text("")
    fakes = {name: FakeArchive() for name in ("a", "b", "c")}
    fakes["a"].down = True
    fakes["b"].studies = [a_study("P1", "b")]
    fakes["c"].studies = [a_study("P1", "c"), a_study("P2", "c")]
    monkeypatch.setattr("tasks.look.open_archive", lambda archive, _zone: fakes[archive.name])
    monkeypatch.setattr("flows.sweep.wake_orders", lambda *_: None)
    with store.write() as session:
        for number in ("P1", "P2", "P3"):
            orders.place(session, an_order(number), source="test", occurred_at=now, now=now)
    assert sweep() == 2
    with store.read() as session:
        states = {
            number: session.get_one(OrderRow, an_order(number).key).state for number in ("P1", "P2", "P3")
        }
    assert states == {"P1": "acquired", "P2": "acquired", "P3": "received"}
    assert sweep("empty") == 0
    assert [archive.queries for archive in fakes.values()] == [1, 1, 1]

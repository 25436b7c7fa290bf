"""What a leg of an order asks of Prefect's server, which has more work with that than the leg has."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from radflow.connectors.orchestrator import PrefectOrchestrator
from radflow.settings import settings
from radflow.store import engine, orders
from radflow.store.engine import Store
from radflow.store.tables import OrderRow
from tests.builders import an_order
from tests.worker.conftest import Prefect, eventually, working

FIRST_LEG = {
    "POST /flow_runs/ID/set_state": 3,
    "POST /artifacts/": 1,
    "PATCH /flow_runs/ID": 2,  # version and policy; tags
    "PATCH /flow_runs/ID/labels": 1,
}
ONCE_A_PROCESS = {"GET /deployments/ID": 2, "GET /flows/ID": 1, "GET /work_queues/ID": 1}
"""For the flow, and what Prefect's thread for events asks at a time of its own."""
ANY_OTHER_LEG = {"POST /flow_runs/ID/set_state": 3, "POST /artifacts/": 1}
NOT_A_LEG_S = ("GET /csrf-token", "POST /logs/", "POST /flow_runs/ID/resume")
"""Nor are a test's own questions, and looks, of which one finds many runs."""
KEY = an_order().key


@pytest.fixture
def store(prefect: Prefect, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store that the worker's processes open."""
    sites = prefect.home / "sites"
    sites.mkdir()
    (sites / "main.toml").write_text('time_zone = "Europe/Berlin"\n')
    for name in ("RADFLOW_HOME", "RADFLOW_SITES_DIR"):
        monkeypatch.setenv(name, prefect.environment[name])
    settings.cache_clear()
    engine.store.cache_clear()
    opened = engine.store()
    opened.migrate()
    yield opened
    opened.close()
    engine.store.cache_clear()
    settings.cache_clear()


def of_the_leg(prefect: Prefect, before: int) -> Counter[str]:
    return Counter(
        request for request in prefect.requests()[before:]
        if not request.startswith(NOT_A_LEG_S) and "get_scheduled_flow_runs" not in request
    )  # fmt: skip


def test_a_leg_asks_no_more_than_it_has_to(prefect: Prefect, store: Store) -> None:
    pool = prefect.pool(1, ["flows.order"])
    flow = prefect.client.create_flow_from_name("order")
    prefect.client.create_deployment(
        flow_id=flow, name="radflow", entrypoint="flows.order.run_order", work_pool_name=pool
    )
    now = datetime.now(UTC)
    with store.write() as session:
        orders.place(session, an_order(), source="test", occurred_at=now, now=now)
    orchestrator = PrefectOrchestrator()

    def rests_after(legs: int) -> bool:
        """As its access log tells: asking the server would be counted."""
        with store.read() as session:
            at_work = session.get_one(OrderRow, KEY).leg
        return at_work is None and prefect.requests().count("POST /flow_runs/ID/set_state") == 3 * legs

    with working(prefect, pool):
        before = len(prefect.requests())
        run = orchestrator.create_run(KEY, 1, ["site:main"])
        eventually(lambda: rests_after(legs=1) and of_the_leg(prefect, before) >= Counter(ONCE_A_PROCESS))
        first = of_the_leg(prefect, before)
        before = len(prefect.requests())
        assert orchestrator.resume(run)
        eventually(lambda: rests_after(legs=2))
        second = of_the_leg(prefect, before)
    assert {call: first[call] for call in FIRST_LEG | ONCE_A_PROCESS} == FIRST_LEG | ONCE_A_PROCESS
    assert second == ANY_OTHER_LEG
    steps = {"filter": {"event": {"prefix": ["prefect.task-run."]}}, "limit": 50}

    def told() -> Counter[str]:
        events = prefect.client.request("POST", "/events/filter", json=steps).json()["events"]
        return Counter(event["event"].rpartition(".")[2] for event in events)

    eventually(lambda: told()["Completed"] > 1)
    assert told().keys() == {"Running", "Completed"}
    runs = prefect.client.read_task_runs()
    assert {(one.name.rpartition("-")[0], one.state_name) for one in runs} == {
        ("put_on_worklist", "Completed"), ("tell_receivers", "Completed"),
    }  # fmt: skip

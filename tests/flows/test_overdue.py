"""Overdue orders with a real Prefect server and a webhook on loopback: told once, shown, recovered."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactCollectionFilter, ArtifactCollectionFilterKey
from prefect.events.worker import EventsWorker
from prefect.testing.utilities import prefect_test_harness

from flows.overdue import watch_limits
from radflow.clock import kept_by
from radflow.order import Event
from radflow.settings import LOOPBACK
from radflow.simulators.engine import SetClock
from radflow.store import orders
from radflow.store.engine import Store
from radflow.store.tables import OrderRow
from tests.builders import an_order
from tests.conftest import on_sqlite_alone
from tests.e2e.conftest import eventually

pytestmark = on_sqlite_alone
SITE = """
[[overdue]]
stage = "images"
modality = "CT"
after = "4h"

[notify]
block = "custom-webhook/ops"
"""


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=300):
        yield


class Receiver(HTTPServer):
    """Where ops read; it takes messages, or is down."""

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.messages: list[dict[str, Any]] = []
        self.status = 200


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.messages.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def ops() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        url = f"http://{LOOPBACK}:{receiver.server_port}/ops"
        CustomWebhookNotificationBlock(
            name="ops", url=url, json_data={"subject": "{{subject}}", "text": "{{body}}"}
        ).save("ops", overwrite=True)
        yield receiver
        receiver.shutdown()
        thread.join()


@pytest.fixture
def clock(now: datetime) -> Iterator[SetClock]:
    clock = SetClock(now)
    with kept_by(clock):
        yield clock


@pytest.fixture
def worklisted(installed: Path, store: Store, clock: SetClock) -> Callable[[int], list[str]]:
    """A site with a limit, and so many orders of it on the worklist, scheduled now."""
    (installed / "main.toml").write_text(SITE)

    def placed(count: int) -> list[str]:
        keys = []
        with store.write() as session:
            for number in range(count):
                order = an_order(f"P{number}")
                (step,) = order.steps
                order = order.model_copy(update={"steps": (step.model_copy(update={"start": clock.now}),)})
                orders.place(session, order, source="test", occurred_at=clock.now, now=clock.now)
                orders.record(
                    session, order.key, Event.WORKLISTED, source="test", occurred_at=clock.now, now=clock.now
                )
                keys.append(order.key)
        return keys

    return placed


def found(store: Store, clock: SetClock, keys: list[str]) -> None:
    with store.write() as session:
        for key in keys:
            orders.record(
                session, key, Event.STUDY_FOUND, source="test", occurred_at=clock.now, now=clock.now
            )


def events(store: Store, key: str) -> list[str]:
    with store.read() as session:
        return [line.event for line in orders.events_of(session, key)]


def artifact() -> list[dict[str, Any]]:
    chosen = ArtifactCollectionFilter(key=ArtifactCollectionFilterKey(any_=["overdue"]))
    with get_client(sync_client=True) as client:
        (one,) = client.read_latest_artifacts(artifact_filter=chosen)
    return json.loads(str(one.data))  # type: ignore[no-any-return]


def test_a_storm_is_one_message_and_so_is_its_end(
    store: Store, clock: SetClock, ops: Receiver, worklisted: Callable[[int], list[str]]
) -> None:
    """An archive is down for a day: 500 orders are overdue, ops hear of it once, and once that it is over."""
    keys = worklisted(500)
    clock.advance(timedelta(hours=3, minutes=59))
    assert watch_limits() == 0
    assert ops.messages == []
    clock.advance(timedelta(minutes=1))
    assert watch_limits() == 500
    assert watch_limits() == 0
    clock.advance(timedelta(hours=20))
    assert watch_limits() == 0
    (begin,) = ops.messages
    assert begin["subject"] == "radflow: 500 orders are overdue at main"
    assert begin["text"] == (
        "main, waiting for images: 500 orders are overdue since 2026-11-24 13:00 UTC (CT 500)"
    )
    assert artifact() == [
        {"site": "main", "waits for": "images", "modality": "CT", "orders": 500,
         "first since (UTC)": "2026-11-24 13:00"}
    ]  # fmt: skip
    found(store, clock, keys[:499])
    clock.advance(timedelta(minutes=1))
    assert watch_limits() == 499
    assert len(ops.messages) == 1
    found(store, clock, keys[499:])
    clock.advance(timedelta(minutes=1))
    assert watch_limits() == 1
    assert watch_limits() == 0
    _, end = ops.messages
    assert end["text"] == (
        "main, waiting for images: no order is overdue any more (some were since 2026-11-24 13:00 UTC)"
    )
    assert artifact() == []
    assert events(store, keys[0]) == [
        "order-received", "worklisted", "order-overdue", "study-found", "overdue-ended",
    ]  # fmt: skip


def test_what_ops_could_not_be_told_is_told_later(
    store: Store, clock: SetClock, ops: Receiver, worklisted: Callable[[int], list[str]]
) -> None:
    """Their receiver is down: the run fails, the order is overdue all the same, and the next run tells it."""
    (key,) = worklisted(1)
    clock.advance(timedelta(hours=5))
    ops.status = 503
    with pytest.raises(Exception, match="503"):
        watch_limits()
    assert events(store, key)[-1] == "order-overdue"
    ops.status = 200
    watch_limits()
    assert [message["subject"] for message in ops.messages] == ["radflow: 1 order is overdue at main"]


def test_the_run_of_an_overdue_order_is_tagged(
    store: Store, clock: SetClock, ops: Receiver, worklisted: Callable[[int], list[str]]
) -> None:
    """`overdue` is among its tags while it lasts; what people have tagged stays."""

    @flow
    def run_of_an_order() -> None: ...

    (key,) = worklisted(1)
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(run_of_an_order, tags=["ours", "stage:received"])
        with store.write() as session:
            session.get_one(OrderRow, key).run_id = str(run.id)
        clock.advance(timedelta(hours=5))
        watch_limits()
        tags = set(client.read_flow_run(run.id).tags)
        assert tags == {"ours", "site:main", "modality:CT", "stage:worklisted", "overdue"}
        found(store, clock, [key])
        clock.advance(timedelta(minutes=1))
        watch_limits()
        assert set(client.read_flow_run(run.id).tags) == {
            "ours",
            "site:main",
            "modality:CT",
            "stage:acquired",
        }


def test_each_message_is_a_prefect_event_too(
    store: Store, clock: SetClock, ops: Receiver, worklisted: Callable[[int], list[str]]
) -> None:
    """An automation can start from it; it names no order."""
    worklisted(2)
    clock.advance(timedelta(hours=5))
    watch_limits()
    EventsWorker.drain_all()
    (event,) = eventually(_events_of_two_orders)
    assert event["event"] == "radflow.overdue.began"
    assert event["resource"]["prefect.resource.id"] == "radflow.overdue.main.images"
    assert (event["payload"]["orders"], event["payload"]["modalities"]) == (2, {"CT": 2})


def _events_of_two_orders() -> list[dict[str, Any]]:
    """What Prefect's server has of it. It writes events a moment after it has taken them."""
    wanted = {"filter": {"event": {"prefix": ["radflow."]}}}
    with get_client(sync_client=True) as client:
        answer = client.request("POST", "/events/filter", json=wanted)
    return [event for event in answer.json()["events"] if event["payload"]["orders"] == 2]

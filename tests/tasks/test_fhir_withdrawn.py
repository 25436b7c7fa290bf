"""What was published and stands no more: its status at a FHIR server; and the status of orders."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlmodel import col, delete

from flows.fhir_status import fhir_steps
from radflow.model import Order, Report
from radflow.order import Event, State
from radflow.settings import settings
from radflow.store import orders, publications, reports, studies
from radflow.store.engine import Store
from radflow.store.engine import store as the_store
from radflow.store.tables import OrderRow, StudyRow
from tasks.publish import publish_to_fhir, update_fhir
from tests.builders_result import a_full_order, a_report, a_study
from tests.peers_fhir import FhirServer, fhir_server

SITE = """
[[fhir]]
kind = "http"
name = "server"
url = "{url}"
{more}
"""
KINDS = ("ImagingStudy", "DiagnosticReport", "Observation", "DocumentReference", "ServiceRequest")


@pytest.fixture(scope="module")
def running() -> Iterator[FhirServer]:
    with fhir_server() as server:
        yield server


@pytest.fixture
def server(running: FhirServer) -> FhirServer:
    running.clear()
    return running


@pytest.fixture
def store(site: "Site") -> Store:
    return site.store


class Site:
    """A site whose one FHIR destination is the server."""

    def __init__(self, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._url, self._folder, self._monkeypatch = url, folder, monkeypatch
        self.has("")

    def has(self, more: str) -> None:
        (self._folder / "main.toml").write_text(SITE.format(url=self._url, more=more))
        settings.cache_clear()

    @property
    def store(self) -> Store:
        return the_store()


@pytest.fixture
def site(
    server: FhirServer, migrated_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    (tmp_path / "radflow.db").write_bytes(migrated_file.read_bytes())
    monkeypatch.setenv("RADFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("RADFLOW_SITES_DIR", str(tmp_path))
    settings.cache_clear()
    the_store.cache_clear()
    yield Site(server.url, tmp_path, monkeypatch)
    the_store().close()
    the_store.cache_clear()
    settings.cache_clear()


def place(store: Store, now: datetime, *events: Event, report: Report | None = None) -> Order:
    """The order with these events after it was placed."""
    order = a_full_order()
    with store.write() as session:
        orders.place(session, order, source="test", occurred_at=now, now=now)
        if Event.STUDY_FOUND in events:
            studies.save(session, order.key, a_study(), now)
        if report:
            reports.save(session, order.key, report, None, now)
    happen(store, order, now, *events)
    return order


def happen(store: Store, order: Order, now: datetime, *events: Event) -> None:
    with store.write() as session:
        for event in events:
            orders.record(session, order.key, event, source="test", occurred_at=now, now=now)


def statuses(server: FhirServer) -> dict[str, set[str]]:
    found = {kind: {one["status"] for one in server.all(kind)} for kind in KINDS}
    return {kind: its for kind, its in found.items() if its}


IMAGED = (Event.WORKLISTED, Event.STUDY_FOUND)


def test_nothing_was_published(store: Store, server: FhirServer, now: datetime) -> None:
    """Then nothing is written, and no step is due."""
    order = place(store, now, Event.WORKLISTED)
    assert fhir_steps(order.key, "main", State.WORKLISTED) == ()
    assert update_fhir.fn(order.key) == {}
    assert server.transactions() == []


def test_the_study_was_anothers(store: Store, server: FhirServer, now: datetime) -> None:
    """Study, report, findings and documents are entered in error; the order itself is active; done once."""
    order = place(store, now, *IMAGED, Event.REPORT_RECEIVED, report=a_report())
    publish_to_fhir.fn(order.key)
    happen(store, order, now, Event.PUBLISHED)
    with store.write() as session:
        session.exec(delete(StudyRow).where(col(StudyRow.order_key) == order.key))
    happen(store, order, now, Event.STUDY_UNLINKED)
    assert fhir_steps(order.key, "main", State.REPORTED_WITHOUT_IMAGES) == (update_fhir,)
    update_fhir.fn(order.key)
    wrong = {"entered-in-error"}
    found = statuses(server)
    assert found.pop("ServiceRequest") == {"active"}
    assert set(found) == {"ImagingStudy", "DiagnosticReport", "DocumentReference"}
    assert all(status == wrong for status in found.values())
    before = server.transactions()
    update_fhir.fn(order.key)
    assert server.transactions() == before
    with store.read() as session:
        rows = publications.of_order(session, order.key)
    assert {row.resource_type for row in rows if row.outcome == "withdrawn"} == set(found)

    with store.write() as session:
        studies.save(session, order.key, a_study("1.2.3.81"), now)
    happen(store, order, now, Event.STUDY_FOUND)
    publish_to_fhir.fn(order.key)
    assert {one["status"] for one in server.all("DiagnosticReport")} == {"final"}
    assert {one["status"] for one in server.all("ImagingStudy")} == {"entered-in-error", "available"}


def test_discontinued_after_a_preliminary_report(store: Store, server: FhirServer, now: datetime) -> None:
    """The request is revoked, the report cancelled, for it never was final; the images are what they are."""
    order = place(store, now, *IMAGED, Event.PRELIMINARY_RECEIVED, report=a_report(status="P"))
    publish_to_fhir.fn(order.key)
    happen(store, order, now, Event.PRELIMINARY_PUBLISHED, Event.ORDER_DISCONTINUED)
    assert fhir_steps(order.key, "main", State.CANCELLED) == (update_fhir,)
    update_fhir.fn(order.key)
    assert statuses(server) == {
        "ImagingStudy": {"available"},
        "DiagnosticReport": {"cancelled"},
        "DocumentReference": {"entered-in-error"},
        "ServiceRequest": {"revoked"},
    }


@pytest.mark.parametrize(
    ("events", "request_status", "task_status"),
    [
        ((), "active", "received"),
        ((Event.WORKLISTED,), "active", "ready"),
        ((Event.ORDER_HELD,), "on-hold", "on-hold"),
        ((Event.WORKLISTED, Event.STEP_STARTED), "active", "in-progress"),
        ((Event.ORDER_CANCELLED,), "revoked", "cancelled"),
        ((Event.ORDER_CLOSED,), "revoked", "cancelled"),
    ],
)
def test_where_an_order_stands(
    site: Site, server: FhirServer, now: datetime, events: tuple[Event, ...],
    request_status: str, task_status: str,
) -> None:  # fmt: skip
    """Where a destination wants to know: a ServiceRequest and a Task that fulfils it, written once."""
    site.has("order_status = true")
    order = place(site.store, now, *events)
    for _ in range(2):
        update_fhir.fn(order.key)
    (request,), (task,) = server.all("ServiceRequest"), server.all("Task")
    assert (request["status"], task["status"]) == (request_status, task_status)
    assert task["focus"] == {"reference": f"ServiceRequest/{request['id']}"}
    assert task["for"] == request["subject"]
    with site.store.read() as session:
        assert task["businessStatus"]["text"] == session.get_one(OrderRow, order.key).state
    assert len(server.transactions()) == 1


def test_a_task_follows_its_order_to_the_end(site: Site, server: FhirServer, now: datetime) -> None:
    """One Task for all its life, completed with the result."""
    site.has("order_status = true")
    order = place(site.store, now, Event.WORKLISTED)
    update_fhir.fn(order.key)
    with site.store.write() as session:
        studies.save(session, order.key, a_study(), now)
        reports.save(session, order.key, a_report(), None, now)
    happen(site.store, order, now, Event.STUDY_FOUND)
    update_fhir.fn(order.key)
    assert [task["status"] for task in server.all("Task")] == ["in-progress"]
    happen(site.store, order, now, Event.REPORT_RECEIVED)
    publish_to_fhir.fn(order.key)
    assert [task["status"] for task in server.all("Task")] == ["completed"]

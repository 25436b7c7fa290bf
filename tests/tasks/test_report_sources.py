"""FHIR servers that have reports, polled: against a real one."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import select
from typer.testing import CliRunner, Result

from radflow.cli import app
from radflow.connectors.fhir.errors import FhirRefused
from radflow.connectors.fhir.report_server import open_report_server
from radflow.connectors.fhir.rest import FhirRest
from radflow.services.intake import take_in
from radflow.settings import Site, _read_sites, read_site
from radflow.store import messages, orders
from radflow.store.engine import Store
from radflow.store.messages import MessageState
from radflow.store.tables import Message, ReportRow, ReportSourceState
from tasks.report_sources import Polled, due, poll
from tests.builders import an_order
from tests.conftest import on_sqlite_alone
from tests.peers_fhir import FhirServer, fhir_server
from tests.report_servers import a_report_resource, write

EVER = 100_000
"""Days: the server's clock is the machine's, whatever the tests' clock says."""


@pytest.fixture(scope="module")
def running() -> Iterator[FhirServer]:
    with fhir_server() as server:
        yield server


@dataclass
class Source:
    """A site with one source, on a store."""

    store: Store
    site: Site
    server: FhirServer
    now: datetime

    def poll(self) -> Polled:
        return poll(self.store, self.site, self.site.report_sources[0], self.now)

    def take_in(self) -> list[tuple[str, str]]:
        """Have the intake look; state and reason of what came, oldest first."""
        while take_in(self.store, {"main": self.site}, self.now):
            pass
        with self.store.read() as session:
            rows = session.exec(select(Message).order_by(Message.id)).all()  # type: ignore[arg-type]
        return [(row.state, row.reason) for row in rows]

    def state(self) -> ReportSourceState:
        with self.store.read() as session:
            return session.get_one(ReportSourceState, ("main", "ris"))

    def place(self, number: str = "P1", *, acquired: bool = True) -> str:
        order = an_order(number)
        with self.store.write() as session:
            orders.place(session, order, source="test", occurred_at=self.now, now=self.now)
            messages.requeue_waiting_for(session, "main", {number})
        return order.key

    def reports(self) -> list[ReportRow]:
        with self.store.read() as session:
            return list(session.exec(select(ReportRow).order_by(ReportRow.id)))  # type: ignore[arg-type]

    def events(self, key: str) -> list[str]:
        with self.store.read() as session:
            return [line.event for line in orders.events_of(session, key)]


@pytest.fixture
def source(store: Store, installed: Path, running: FhirServer, now: datetime) -> Source:
    running.clear()
    return a_source(store, installed, running, now)


def a_source(store: Store, folder: Path, server: FhirServer, now: datetime, **keys: Any) -> Source:
    lines = {"kind": "fhir-poll", "name": "ris", "url": server.url, "first_days": EVER, **keys}
    text = "[[report_sources]]\n" + "".join(f"{name} = {value!r}\n" for name, value in lines.items())
    (folder / "main.toml").write_text(text)
    return Source(store, read_site(folder / "main.toml"), server, now)


def test_a_report_comes_to_its_order(source: Source) -> None:
    """Fetched, kept in the inbox, brought as an ORU would be; asked again, nothing is new."""
    key = source.place()
    write(source.server, a_report_resource())
    assert source.poll() == Polled(kept=1)
    assert source.take_in() == [("processed", "")]
    assert source.events(key) == ["order-received", "report-received"]
    (row,) = source.reports()
    assert (row.source, row.status, row.document["text"]) == ("fhir", "F", "No focal lesion.")
    assert source.poll() == Polled()
    assert source.take_in() == [("processed", "")]


def test_only_what_has_changed_is_kept_again(source: Source) -> None:
    """A corrected report is a version of its own; the others are known by theirs."""
    key = source.place()
    first = write(source.server, a_report_resource())
    write(source.server, a_report_resource("P2"))
    assert source.poll().kept == 2
    write(source.server, {**first, "status": "corrected", "conclusion": "A nodule."})
    assert source.poll().kept == 1
    source.take_in()
    assert source.events(key)[1:] == ["report-received", "report-received"]
    assert [row.status for row in source.reports()] == ["F", "C"]


def test_every_page_is_read(store: Store, installed: Path, running: FhirServer, now: datetime) -> None:
    """By the `next` link of each; the newest is remembered, and a second look goes on from there."""
    running.clear()
    source = a_source(store, installed, running, now, page=2, overlap_seconds=0)
    written = [write(running, a_report_resource(f"P{number}")) for number in range(5)]
    assert source.poll().kept == 5
    newest = max(datetime.fromisoformat(one["meta"]["lastUpdated"]) for one in written)
    assert source.state().read_until == newest
    asked = []
    with open_report_server(source.site.report_sources[0]) as server:
        asked = [len(page) for page in server.changed(newest + timedelta(seconds=1))]
    assert asked == [0]


@on_sqlite_alone
def test_what_a_report_refers_to_comes_along(source: Source) -> None:
    """Requests, observations and their members, people, documents; what is not there is left out."""
    server = source.server
    patient = write(server, {"resourceType": "Patient", "identifier": [{"system": "x", "value": "4711"}]})
    request = write(server, {
        "resourceType": "ServiceRequest", "status": "active", "intent": "order",
        "subject": {"display": "x"}, "identifier": [{"system": "urn:radflow:EHR", "value": "P1"}],
    })  # fmt: skip
    size = write(server, {
        "resourceType": "Observation", "status": "final", "code": {"text": "Size"},
        "valueQuantity": {"value": 12.5, "unit": "mm", "system": "http://unitsofmeasure.org", "code": "mm"},
    })  # fmt: skip
    nodule = write(server, {
        "resourceType": "Observation", "status": "final", "code": {"text": "Nodule"},
        "hasMember": [{"reference": f"Observation/{size['id']}"}],
    })  # fmt: skip
    reader = write(server, {"resourceType": "Practitioner", "name": [{"family": "Hartmann"}]})
    document = write(server, {"resourceType": "Binary", "contentType": "application/pdf", "data": "JVBERi0x"})
    write(server, a_report_resource(
        subject={"reference": f"Patient/{patient['id']}"},
        basedOn=[{"reference": f"ServiceRequest/{request['id']}"}, {"reference": "ServiceRequest/gone"}],
        result=[{"reference": f"Observation/{nodule['id']}"}],
        resultsInterpreter=[{"reference": f"Practitioner/{reader['id']}"}],
        presentedForm=[{"contentType": "application/pdf", "url": f"Binary/{document['id']}"}],
    ))  # fmt: skip
    source.place()
    source.poll()
    assert source.take_in() == [("processed", "")]
    (row,) = source.reports()
    assert row.document["interpreter"]["name"]["family"] == "Hartmann"
    assert row.document["attachments"] == [{"content_type": "application/pdf", "data": "JVBERi0x"}]
    listed = json.loads(cli("messages", "search", "--patient", "4711", "--json").stdout)
    assert [one["type"] for one in listed] == ["DiagnosticReport"]
    (found,) = row.document["observations"]
    assert (found["number"], found["unit"]["code"], found["sub_id"]) == ("12.5", "mm", "1")


def test_an_orphan_waits_for_its_order(source: Source) -> None:
    """As an ORU does: kept, and brought when the order is placed."""
    write(source.server, a_report_resource())
    source.poll()
    ((state, reason),) = source.take_in()
    assert state == MessageState.WAITING
    assert "No order is known" in reason
    key = source.place()
    assert source.take_in() == [("processed", "")]
    assert source.events(key) == ["order-received", "report-received"]


def test_a_bad_resource_is_set_aside_with_its_reason(source: Source) -> None:
    """The others are taken all the same."""
    source.place()
    write(source.server, a_report_resource(basedOn=[]))
    write(source.server, a_report_resource())
    source.poll()
    assert sorted(source.take_in()) == [
        ("processed", ""),
        ("quarantined", "Neither identifier nor basedOn nor imagingStudy says which order is reported."),
    ]


def test_a_person_looks_at_it_as_at_a_message(source: Source) -> None:
    """It is found, shown and replayed; what cannot be repaired as HL7 is refused in words."""
    write(source.server, a_report_resource(basedOn=[]))
    source.poll()
    source.take_in()
    found = json.loads(cli("messages", "search", "--type", "DiagnosticReport", "--json").stdout)
    assert [(one["sender"], one["state"]) for one in found] == [("ris", "quarantined")]
    number = str(found[0]["id"])
    assert "No focal lesion." in cli("messages", "show", number).output
    assert cli("messages", "replay", number).exit_code == 0
    assert source.take_in()[0][0] == "quarantined"
    repaired = cli("messages", "repair", number, "--set", "PID-3=1")
    assert repaired.exit_code == 1
    assert isinstance(repaired.exception, SystemExit)


def cli(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_what_radflow_has_published_there_is_no_source(source: Source, installed: Path) -> None:
    """The same server may be both, also of another site: nothing goes round in a circle."""
    (installed / "west.toml").write_text('identifier_system = "http://west.example"\n')
    _read_sites.cache_clear()
    for system in (f"{source.site.identifier_system}:report", "http://west.example/report"):
        write(source.server, a_report_resource(identifier=[{"system": system, "value": "main-x"}]))
    assert source.poll() == Polled()


def test_a_server_that_is_down_is_told_of_once(
    store: Store, installed: Path, running: FhirServer, now: datetime
) -> None:
    """Later and later it is asked again; nothing is lost, and its recovery is told of once."""
    running.clear()
    source = a_source(store, installed, FhirServer("http://127.0.0.1:9"), now)
    assert "report source ris: The FHIR server cannot be reached" in source.poll().news
    assert due(store, source.site, now) == []
    source.now = now + timedelta(seconds=5)
    assert due(store, source.site, source.now) == ["ris"]
    assert source.poll().news == ""
    assert source.state().next_try_at == source.now + timedelta(seconds=10)
    assert source.state().failing_since == now
    write(running, a_report_resource())
    source = a_source(store, installed, running, source.now + timedelta(seconds=10))
    assert source.poll() == Polled(kept=1, news="report source ris answers again after 2 failed tries")
    assert source.poll().news == ""
    assert due(store, source.site, source.now) == []
    assert due(store, source.site, source.now + timedelta(minutes=1)) == ["ris"]


@on_sqlite_alone
def test_a_server_that_dies_between_two_pages(
    store: Store, installed: Path, running: FhirServer, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is kept, the cursor stays, and the next time goes on without repeating anything."""
    running.clear()
    source = a_source(store, installed, running, now, page=2)
    for number in range(4):
        write(running, a_report_resource(f"P{number}"))
    send = httpx.Client.send

    def dying(self: httpx.Client, request: httpx.Request, **how: Any) -> httpx.Response:
        if "_offset" in str(request.url):
            raise httpx.ConnectError("gone")
        return send(self, request, **how)

    with monkeypatch.context() as patched:
        patched.setattr(httpx.Client, "send", dying)
        polled = source.poll()
    assert (polled.kept, source.state().read_until) == (2, None)
    assert "cannot be reached" in polled.news
    assert source.poll().kept == 2
    with store.read() as session:
        assert [row.copies for row in session.exec(select(Message))] == [1, 1, 1, 1]


@on_sqlite_alone
def test_nobody_else_is_told_who_we_are(source: Source) -> None:
    """A reference or a next page on another server is not followed: the request would bear our token."""
    write(source.server, a_report_resource(result=[{"reference": "http://127.0.0.1:9/fhir/Observation/1"}]))
    assert source.poll() == Polled(kept=1)
    with FhirRest(source.server.url, timeout=5) as rest:
        for url in ("http://127.0.0.1:9/fhir/DiagnosticReport", f"{source.server.url}.example/x"):
            with pytest.raises(FhirRefused, match="not below its own base"):
                rest.get(url)

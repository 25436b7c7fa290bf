"""Publishing an order to every FHIR destination of its site: a real server, one that is down, and files."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, delete

from mappings.fhir.publishing import Outcome
from radflow.connectors.fhir import FhirRefused, FhirUnavailable
from radflow.connectors.fhir.ndjson import NdjsonFiles
from radflow.model import Order
from radflow.order import Event
from radflow.settings import settings
from radflow.simulators.ports import free_port
from radflow.store import orders, publications, reports, studies
from radflow.store.engine import Store
from radflow.store.tables import StudyRow
from tasks import around as around_of
from tasks import fhir, fhir_wanted
from tasks import result as result_of
from tests.builders_result import a_full_order, a_report, a_study
from tests.peers_fhir import FhirServer, fhir_server

DOWN = '[[fhir]]\nkind = "http"\nname = "down"\nurl = "http://127.0.0.1:{port}"\n'
SERVER = '[[fhir]]\nkind = "http"\nname = "server"\nurl = "{url}"\nmax_entries = 8\n'
FILES = '[[fhir]]\nkind = "ndjson"\n'
ANONYMOUS = """[[fhir]]
kind = "http"
name = "secret"
url = "http://127.0.0.1:9"
auth = { kind = "bearer", token = { env = "RADFLOW_TEST_NO_SUCH_TOKEN" } }
"""


@pytest.fixture(scope="module")
def running_server() -> Iterator[FhirServer]:
    with fhir_server() as running:
        yield running


@pytest.fixture
def server(running_server: FhirServer) -> FhirServer:
    running_server.clear()
    return running_server


class SiteFile:
    """The site's file, which a test writes and may write again."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._written = 0

    def has(self, *destinations: str) -> None:
        # A folder of its own each time: what a folder has is read once.
        self._written += 1
        folder = self._folder / str(self._written)
        folder.mkdir()
        (folder / "main.toml").write_text("\n".join(destinations))
        self._monkeypatch.setenv("RADFLOW_SITES_DIR", str(folder))
        settings.cache_clear()


@pytest.fixture
def site(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SiteFile]:
    for module in (fhir, fhir_wanted, result_of, around_of):
        monkeypatch.setattr(module, "store", lambda: store)
    monkeypatch.setenv("RADFLOW_HOME", str(tmp_path / "home"))
    yield SiteFile(tmp_path, monkeypatch)
    settings.cache_clear()


def place(store: Store, now: datetime, placed: Order) -> Order:
    """The order with images and a report."""
    with store.write() as session:
        orders.place(session, placed, source="test", occurred_at=now, now=now)
        studies.save(session, placed.key, a_study(), now)
        reports.save(session, placed.key, a_report(), None, now)
        for event in (Event.WORKLISTED, Event.STUDY_FOUND, Event.REPORT_RECEIVED):
            orders.record(session, placed.key, event, source="test", occurred_at=now, now=now)
    return placed


@pytest.fixture
def order(store: Store, now: datetime) -> Order:
    return place(store, now, a_full_order())


def outcomes(store: Store, order: Order, destination: str) -> set[str]:
    with store.read() as session:
        return {row.outcome for row in publications.of_order(session, order.key, destination)}


def corrected(store: Store, order: Order, now: datetime) -> None:
    with store.write() as session:
        reports.save(session, order.key, a_report(status="C"), None, now)
        orders.record(session, order.key, Event.REPORT_RECEIVED, source="test", occurred_at=now, now=now)


def test_one_that_is_down_does_not_hold_up_the_others(
    site: SiteFile, server: FhirServer, store: Store, order: Order
) -> None:
    """The first of three is down: the others have it all, and the step is tried again."""
    site.has(DOWN.format(port=free_port()), SERVER.format(url=server.url), FILES)
    with pytest.raises(FhirUnavailable, match=r"^down: The FHIR server cannot be reached: ConnectError$"):
        fhir.publish_result(order.key)
    assert outcomes(store, order, "down") == {Outcome.UNAVAILABLE}
    assert outcomes(store, order, "server") == outcomes(store, order, "files") == {Outcome.CREATED}
    assert len(server.all("DiagnosticReport")) == 1


def test_a_retry_writes_only_what_is_left(
    site: SiteFile, server: FhirServer, store: Store, order: Order, tmp_path: Path
) -> None:
    """What has it all is not even asked again: it may be down by now."""
    port = free_port()
    site.has(DOWN.format(port=port), SERVER.format(url=server.url))
    with pytest.raises(FhirUnavailable):
        fhir.publish_result(order.key)
    with fhir_server() as up_again:
        site.has(
            DOWN.replace("http://127.0.0.1:{port}", up_again.url),
            SERVER.format(url=f"http://127.0.0.1:{port}"),
        )
        result = fhir.publish_result(order.key)
        assert len(up_again.all("DiagnosticReport")) == 1
    assert set(result["outcomes"]) == {"down", "server"}
    assert result["outcomes"]["down"].keys() == {Outcome.CREATED}
    assert outcomes(store, order, "server") == {Outcome.CREATED}


def test_a_correction_is_one_new_version(
    site: SiteFile, server: FhirServer, store: Store, order: Order, now: datetime
) -> None:
    """News, so every destination is looked at; only the report and its documents are written, once more."""
    site.has(SERVER.format(url=server.url), FILES)
    first = fhir.publish_result(order.key)
    corrected(store, order, now)
    second = fhir.publish_result(order.key)
    assert second["published"] == first["published"]
    with store.read() as session:
        rows = publications.of_order(session, order.key, "server")
    updated = {row.resource_type for row in rows if row.outcome == Outcome.UPDATED}
    assert "DiagnosticReport" in updated
    assert updated <= {"DiagnosticReport", "DocumentReference"}
    assert all(server.versions(row.reference) == (2 if row.outcome == Outcome.UPDATED else 1) for row in rows)


def test_a_server_whose_data_were_lost(site: SiteFile, server: FhirServer, order: Order) -> None:
    """Without news it is not asked; published anew it is."""
    site.has(SERVER.format(url=server.url))
    fhir.publish_result(order.key)
    server.clear()
    fhir.publish_result(order.key)
    assert server.all("DiagnosticReport") == []
    assert fhir.publish_result(order.key, anew=True)["outcomes"]["server"].keys() == {Outcome.CREATED}
    assert len(server.all("DiagnosticReport")) == 1


def test_a_refusal_beside_one_that_is_down(
    site: SiteFile, server: FhirServer, store: Store, order: Order
) -> None:
    """As long as one may work later the step is tried again; when none may, a person has to look."""
    site.has(DOWN.format(port=free_port()), SERVER.format(url=server.url))
    issue: dict[str, Any] = {"severity": "error", "code": "value", "expression": ["Patient.name"]}
    refusal = {"resourceType": "OperationOutcome", "issue": [issue]}
    server.next("422", refusal)
    with pytest.raises(FhirUnavailable, match=r"down: .*; server: .* 422; error value Patient.name"):
        fhir.publish_result(order.key)
    assert outcomes(store, order, "server") == {Outcome.REFUSED}
    site.has(SERVER.format(url=server.url))
    server.next("422", refusal)
    with pytest.raises(FhirRefused, match=r"^server: .* 422; error value Patient.name$"):
        fhir.publish_result(order.key)


def test_how_long_a_busy_server_asks_to_be_left_alone_is_passed_on(
    site: SiteFile, server: FhirServer, order: Order
) -> None:
    """The leg's pause is at least Retry-After."""
    site.has(DOWN.format(port=free_port()), SERVER.format(url=server.url))
    server.next("429", after="90")
    with pytest.raises(FhirUnavailable) as busy:
        fhir.publish_result(order.key)
    assert busy.value.retry_after.total_seconds() == 90


def test_a_secret_that_is_missing(site: SiteFile, server: FhirServer, order: Order) -> None:
    """The destination that needs it is refused, by the name of the variable; the others are written."""
    site.has(ANONYMOUS, SERVER.format(url=server.url))
    with pytest.raises(FhirRefused, match="RADFLOW_TEST_NO_SUCH_TOKEN is not set"):
        fhir.publish_result(order.key)
    assert len(server.all("DiagnosticReport")) == 1


def test_what_was_known_survives_a_failure(
    site: SiteFile, server: FhirServer, store: Store, order: Order, now: datetime
) -> None:
    """A later failure is noted beside what was written before, and does not replace it."""
    site.has(SERVER.format(url=server.url))
    fhir.publish_result(order.key)
    corrected(store, order, now)
    server.next("500")
    with pytest.raises(FhirUnavailable):
        fhir.publish_result(order.key)
    with store.read() as session:
        rows = publications.of_order(session, order.key, "server")
    report = next(row for row in rows if row.resource_type == "DiagnosticReport")
    assert (report.outcome, "HTTP 500" in report.reason) == (Outcome.UNAVAILABLE, True)
    assert server.read(report.reference)["meta"]["versionId"] == report.version


def unlinked(store: Store, order: Order, now: datetime) -> None:
    """The order's study turns out to be another one's."""
    with store.write() as session:
        session.exec(delete(StudyRow).where(col(StudyRow.order_key) == order.key))
        orders.record(session, order.key, Event.REPORT_RECEIVED, source="test", occurred_at=now, now=now)


def test_a_study_that_is_no_longer_the_orders_is_withdrawn(
    site: SiteFile, server: FhirServer, store: Store, order: Order, now: datetime, tmp_path: Path
) -> None:
    """Server and files have it as entered in error, now and later; and that is done once."""
    site.has(SERVER.format(url=server.url), FILES)
    fhir.publish_result(order.key)
    unlinked(store, order, now)
    fhir.publish_result(order.key)
    (study,) = server.all("ImagingStudy")
    assert study["status"] == "entered-in-error"
    assert outcomes(store, order, "server") == {Outcome.UPDATED, Outcome.UNCHANGED, Outcome.WITHDRAWN}
    before = server.transactions()
    fhir.publish_result(order.key, anew=True)
    assert server.transactions() == before
    (file,) = tmp_path.glob("home/fhir/main/*/*.ndjson")
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    assert [one["status"] for one in kept if one["resourceType"] == "ImagingStudy"] == ["entered-in-error"]


def test_a_study_that_another_order_has_published_too_is_left_alone(
    site: SiteFile, server: FhirServer, store: Store, order: Order, now: datetime
) -> None:
    """A study of two orders that is taken from one of them is still the other one's."""
    site.has(SERVER.format(url=server.url))
    other = place(store, now, a_full_order("P2"))
    fhir.publish_result(other.key)
    fhir.publish_result(order.key)
    unlinked(store, order, now)
    fhir.publish_result(order.key)
    (study,) = server.all("ImagingStudy")
    assert study["status"] == "available"


def test_an_unforeseen_failure_does_not_hold_up_the_others(
    site: SiteFile, server: FhirServer, store: Store, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours with one destination: the others are written, and only its type is told."""

    def mistaken(*_: object, **__: object) -> None:
        raise KeyError("Yamada")

    site.has(FILES, SERVER.format(url=server.url))
    monkeypatch.setattr(NdjsonFiles, "publish", mistaken)
    with pytest.raises(FhirUnavailable, match=r"^files: unforeseen KeyError$"):
        fhir.publish_result(order.key)
    assert outcomes(store, order, "files") == {Outcome.UNAVAILABLE}
    assert len(server.all("DiagnosticReport")) == 1

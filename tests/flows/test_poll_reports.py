"""Polling as a flow, on a Prefect server of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness

from flows.poll_reports import poll_reports
from radflow.store.engine import Store
from tests.conftest import on_sqlite_alone
from tests.peers_fhir import FhirServer, fhir_server
from tests.report_servers import a_report_resource, write


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=300):
        yield


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with fhir_server() as running:
        yield running


@on_sqlite_alone
def test_every_source_is_asked_whose_time_has_come(installed: Path, store: Store, server: FhirServer) -> None:
    """One that is down keeps nobody from the next; a site without any is passed over; then all wait."""
    source = '[[report_sources]]\nkind = "fhir-poll"\nname = "{}"\nurl = "{}"\nfirst_days = 100000\n'
    down, up = source.format("down", "http://127.0.0.1:9"), source.format("up", server.url)
    (installed / "main.toml").write_text(down + up)
    (installed / "empty.toml").write_text("")
    write(server, a_report_resource())
    assert poll_reports("empty") == 0
    assert poll_reports() == 1
    write(server, a_report_resource("P2"))
    assert poll_reports() == 0

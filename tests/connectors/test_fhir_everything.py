"""A result with all thirteen types of resources, on a real server, in small transactions."""

from collections.abc import Iterator
from datetime import date

import pytest

from mappings.fhir.publishing import Outcome
from radflow.connectors.fhir import RememberedInProcess, open_fhir
from radflow.settings import HttpFhir
from tests.builders_around import everything, everything_around
from tests.peers_fhir import FhirServer, fhir_server

DAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def server() -> Iterator[FhirServer]:
    with fhir_server() as running:
        yield running


def test_everything_is_written_once(server: FhirServer) -> None:
    """Also what is found by a tag, the Provenance; a second publication writes nothing."""
    bundle = everything(around=everything_around())
    settings = HttpFhir(kind="http", name="server", url=server.url, max_entries=8)
    outcomes = []
    for _ in range(2):
        # Nothing is remembered of the first time: the server is asked.
        fhir = open_fhir(settings, None)  # type: ignore[arg-type]
        written = fhir.publish(bundle, order_key="main-x", day=DAY, memory=RememberedInProcess())
        outcomes.append({one.outcome for one in written})
    assert outcomes == [{Outcome.CREATED}, {Outcome.UNCHANGED}]
    types = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    found = [resource for resource_type in types for resource in server.all(resource_type)]
    assert len(found) == len(bundle["entry"])
    (provenance, _) = server.all("Provenance")
    assert "urn:uuid:" not in str(provenance)

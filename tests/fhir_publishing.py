"""Ready-made publications for tests: an order's transaction, and servers to send it to."""

from datetime import date
from pathlib import Path
from typing import Any

import httpx

from mappings.fhir.publishing import Memory, Written
from mappings.fhir.transaction import result_transaction
from radflow.connectors.fhir import FhirDestination, RememberedInProcess, open_fhir
from radflow.connectors.fhir.rest import FhirRest
from radflow.connectors.fhir.server import HttpFhirServer
from radflow.order import State
from radflow.settings import HttpFhir
from tests.builders_result import a_full_order, a_report, a_study

DAY = date(2026, 11, 24)
PATIENT_DATA = ("Yamada", "4711", "Cough")


def a_bundle(**changes: Any) -> dict[str, Any]:
    """The transaction of a full order; `changes` are to its report."""
    return result_transaction(
        a_full_order(),
        [a_study()],
        a_report(**changes),
        state=State.REPORTED,
        identifier_system="urn:radflow",
    )


def types_in(bundle: dict[str, Any]) -> list[str]:
    return [entry["resource"]["resourceType"] for entry in bundle["entry"]]


def resource_of(bundle: dict[str, Any], resource_type: str) -> dict[str, Any]:
    """The first resource of this type."""
    found: dict[str, Any] = next(
        entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == resource_type
    )
    return found


def at(url: str, **settings: Any) -> FhirDestination:
    """The server of this base URL as a site has it."""
    given = {"kind": "http", "name": "test", "url": url, "timeout_seconds": 10} | settings
    return open_fhir(HttpFhir.model_validate(given), Path("unused"))


def publish(
    fhir: FhirDestination, bundle: dict[str, Any] | None = None, memory: Memory | None = None
) -> list[Written]:
    return fhir.publish(
        bundle or a_bundle(), order_key="main-x", day=DAY, memory=memory or RememberedInProcess()
    )


def answering(status: int, body: Any = None, **headers: str) -> HttpFhirServer:
    """A destination whose server finds nothing, and answers each transaction so."""

    def answer(request: httpx.Request) -> httpx.Response:
        if b'"type":"batch"' in request.content:
            return httpx.Response(200, json=nothing_found(request))
        return httpx.Response(status, json=body, headers=headers)

    return HttpFhirServer(
        lambda: FhirRest("http://fhir.example", timeout=1, transport=httpx.MockTransport(answer))
    )


def nothing_found(request: httpx.Request) -> dict[str, Any]:
    """The answer to a batch of searches."""
    searchset = {"resourceType": "Bundle", "type": "searchset"}
    entry = {"response": {"status": "200 OK"}, "resource": searchset}
    sent = httpx.Response(200, content=request.content).json()["entry"]
    return {"resourceType": "Bundle", "type": "batch-response", "entry": [entry for _ in sent]}

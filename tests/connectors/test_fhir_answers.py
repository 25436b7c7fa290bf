"""How a FHIR server can answer, and what becomes of it: statuses, OperationOutcome, ways to tell the id."""

import logging
from typing import Any

import httpx
import pytest

from mappings.fhir.publishing import Outcome
from radflow.connectors.fhir import FakeFhir, FhirRefused, FhirUnavailable, RememberedInProcess
from radflow.connectors.fhir.outcome import issues
from radflow.connectors.fhir.rest import FhirRest, retry_after
from radflow.connectors.fhir.server import HttpFhirServer
from tests.fhir_publishing import PATIENT_DATA, a_bundle, answering, at, nothing_found, publish


def test_a_server_that_is_not_there() -> None:
    """Nobody listens: it can be tried again."""
    with pytest.raises(FhirUnavailable, match="ConnectError"):
        publish(at("http://127.0.0.1:9"))


@pytest.mark.parametrize("status", [408, 409, 412, 425, 429, 500, 502, 503])
def test_try_again(status: int) -> None:
    """Statuses that say nothing against the resources themselves."""
    with pytest.raises(FhirUnavailable, match=str(status)):
        publish(answering(status))


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 422])
def test_refused(status: int) -> None:
    """Statuses that no repetition mends."""
    with pytest.raises(FhirRefused, match=str(status)):
        publish(answering(status))


def test_a_look_that_is_refused_in_part() -> None:
    """One search of the batch is forbidden: nothing is written without having looked."""

    def answer(request: httpx.Request) -> httpx.Response:
        body = nothing_found(request)
        body["entry"][0] = {"response": {"status": "403 Forbidden"}}
        return httpx.Response(200, json=body)

    rest = FhirRest("http://fhir.example", timeout=1, transport=httpx.MockTransport(answer))
    with pytest.raises(FhirRefused, match="403"):
        publish(HttpFhirServer(lambda: rest))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "Wed, 25 Nov 2026 00:02:00 GMT", "Date": "Wed, 25 Nov 2026 00:00:30 GMT"}, 90),
        ({"Retry-After": "Wed, 25 Nov 2026 00:02:00 GMT"}, 0),
        ({"Retry-After": "soon"}, 0),
        ({}, 0),
    ],
)
def test_how_long_a_server_wants_to_be_left_alone(headers: dict[str, str], seconds: int) -> None:
    """Retry-After in seconds, or as a date by the server's own clock; what cannot be read says nothing."""
    assert retry_after(httpx.Headers(headers)).total_seconds() == seconds


def test_the_refusal_says_where_and_never_what(caplog: pytest.LogCaptureFixture) -> None:
    """Severity, codes and paths are in the text; what may quote the patient is in neither text nor log."""
    issue = {
        "severity": "error",
        "code": "invariant",
        "expression": ["Patient.name[0]", "Patient.where(id='4711')"],
        "diagnostics": "Yamada is not a name",
        "details": {"text": "Cough"},
    }
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    with caplog.at_level(logging.INFO), pytest.raises(FhirRefused) as refusal:
        publish(answering(422, outcome))
    assert str(refusal.value) == "The FHIR server answers HTTP 422; error invariant Patient.name[0]"
    assert not any(secret in caplog.text for secret in PATIENT_DATA)


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        ({"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "ok"}]}, ""),
        (
            {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "code-invalid"}]},
            "warning code-invalid",
        ),
        (
            {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "Yamada"}]},
            "error",
        ),
        ({"resourceType": "OperationOutcome", "issue": "Yamada"}, ""),
        ({"resourceType": "OperationOutcome", "issue": [{"code": 7, "expression": "x", "severity": []}]}, ""),
        ({"resourceType": "Patient", "issue": [{"code": "x"}]}, ""),
        (None, ""),
    ],
)
def test_outcomes_of_every_kind(outcome: Any, text: str) -> None:
    """What says that all is well says nothing; what is malformed does no harm."""
    assert issues(outcome) == text


@pytest.mark.parametrize(
    ("entry", "reference", "version"),
    [
        ({"response": {"location": "http://fhir.example/r4/Patient/7/_history/2"}}, "Patient/7", "2"),
        ({"response": {"location": "Patient/7", "etag": 'W/"3"'}}, "Patient/7", "3"),
        ({"response": {}, "resource": {"id": "7", "meta": {"versionId": "1"}}}, "Patient/7", "1"),
        ({"response": {"location": "http://fhir.example/r4/Patient/7"}}, "Patient/7", ""),
    ],
)
def test_how_servers_tell_the_reference(entry: dict[str, Any], reference: str, version: str) -> None:
    """By an absolute or relative location with or without version, by the resource; the version by ETag."""
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": a_bundle()["entry"][:1]}
    entry["response"]["status"] = "201 Created"
    answer = {"resourceType": "Bundle", "type": "transaction-response", "entry": [entry]}
    (written,) = publish(answering(200, answer), bundle)
    assert (written.outcome, written.reference, written.version) == (Outcome.CREATED, reference, version)


def test_a_server_that_tells_no_ids_is_asked_for_them() -> None:
    """Its answer to the transaction is bare: what it has made is searched for."""
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": a_bundle()["entry"][:1]}
    made: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent = httpx.Response(200, content=request.content).json()
        if sent["type"] == "transaction":
            made.append(sent["entry"][0]["resource"] | {"id": "7", "meta": {"versionId": "1"}})
            entry: dict[str, Any] = {"response": {"status": "201"}}
        else:
            found = {
                "resourceType": "Bundle",
                "type": "searchset",
                "entry": [{"resource": one} for one in made],
            }
            entry = {"response": {"status": "200"}, "resource": found}
        return httpx.Response(
            200, json={"resourceType": "Bundle", "type": f"{sent['type']}-response", "entry": [entry]}
        )

    memory = RememberedInProcess()
    rest = FhirRest("http://fhir.example", timeout=1, transport=httpx.MockTransport(answer))
    (written,) = publish(HttpFhirServer(lambda: rest), bundle, memory)
    assert len(made) == 1
    assert (written.outcome, written.reference, written.version) == (Outcome.CREATED, "Patient/7", "1")
    assert memory.written[written.entry.name].outcome is Outcome.CREATED


def test_an_answer_that_is_no_transaction_response() -> None:
    """A page that says 200 has not written anything."""
    with pytest.raises(FhirRefused, match="transaction-response"):
        publish(answering(200, {"hello": "world"}))


def test_the_fake_fails_when_told_and_keeps_the_newest() -> None:
    """What a test of a flow needs of a destination."""
    fake = FakeFhir(FhirUnavailable("busy"))
    with pytest.raises(FhirUnavailable):
        publish(fake)
    assert publish(fake)[0].reference == "Patient/main-x-0"
    assert fake.published["main-x"] == a_bundle()

"""Publishing FHIR: to a real server (Medplum's), to files, and what is refused before it is sent."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from mappings.fhir.transaction import result_transaction
from radflow.connectors.fhir import (
    FakeFhir,
    FhirDestination,
    FhirInvalid,
    FhirRefused,
    FhirUnavailable,
    check,
    open_fhir,
)
from radflow.connectors.fhir_http import HttpFhirServer
from radflow.order import State
from radflow.settings import HttpFhir, NdjsonFhir
from tests.builders_result import a_full_order, a_report, a_study
from tests.peers_fhir import FhirServer, fhir_server, validate

DAY = date(2026, 11, 24)
TYPES = ["Patient", "ServiceRequest", "ImagingStudy", "DiagnosticReport"]
PATIENT_DATA = ("Yamada", "4711", "Cough")


def a_bundle(**changes: Any) -> dict[str, Any]:
    return result_transaction(
        a_full_order(),
        [a_study()],
        a_report(**changes),
        state=State.REPORTED,
        identifier_system="urn:radflow",
    )


@pytest.fixture(scope="module")
def running_server() -> Iterator[FhirServer]:
    with fhir_server() as running:
        yield running


@pytest.fixture
def server(running_server: FhirServer) -> FhirServer:
    """A FHIR server without resources."""
    running_server.clear()
    return running_server


@pytest.fixture
def fhir(server: FhirServer) -> FhirDestination:
    return open_fhir(HttpFhir(kind="http", name="test", url=server.url, timeout_seconds=10), Path("unused"))


def publish(fhir: FhirDestination, bundle: dict[str, Any] | None = None) -> list[str]:
    return fhir.publish(bundle or a_bundle(), order_key="main-x", day=DAY)


def answering(status: int, body: Any = None, **headers: str) -> HttpFhirServer:
    """A destination whose server always answers this."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body, headers=headers))
    return HttpFhirServer("http://fhir.example", timeout=1, transport=transport)


def test_the_references_are_those_of_the_server(server: FhirServer, fhir: FhirDestination) -> None:
    """Each resource is found under the reference that publishing returned, and refers to the others."""
    references = publish(fhir)
    assert [reference.partition("/")[0] for reference in references] == TYPES
    patient, request, study, report = references
    assert server.read(report)["basedOn"] == [{"reference": request}]
    assert server.read(report)["imagingStudy"] == [{"reference": study}]
    assert server.read(study)["subject"] == {"reference": patient}


def test_publishing_twice_changes_nothing(server: FhirServer, fhir: FhirDestination) -> None:
    """The repeat meets the same resources: no second resource, no second version."""
    references = publish(fhir)
    assert publish(fhir) == references
    assert [len(server.all(resource_type)) for resource_type in TYPES] == [1, 1, 1, 1]
    assert [server.versions(reference) for reference in references] == [1, 1, 1, 1]


def test_a_corrected_report_is_a_new_version(server: FhirServer, fhir: FhirDestination) -> None:
    """Only the report changes, and under its old reference."""
    references = publish(fhir)
    assert publish(fhir, a_bundle(status="C")) == references
    assert [server.versions(reference) for reference in references] == [1, 1, 1, 2]
    assert server.read(references[-1])["status"] == "corrected"


def test_an_answer_that_was_lost_makes_no_duplicate(server: FhirServer, fhir: FhirDestination) -> None:
    """The server wrote and the connection broke before its answer: trying again finds what was written."""
    server.fail_next("drop")
    with pytest.raises(FhirUnavailable):
        publish(fhir)
    assert len(server.all("DiagnosticReport")) == 1
    references = publish(fhir)
    assert [len(server.all(resource_type)) for resource_type in TYPES] == [1, 1, 1, 1]
    assert [server.versions(reference) for reference in references] == [1, 1, 1, 1]


@pytest.mark.parametrize("how", ["500", "429"])
def test_a_server_that_may_work_later(how: Any, server: FhirServer, fhir: FhirDestination) -> None:
    """A 5xx and 429 are tried again, and then it works."""
    server.fail_next(how)
    with pytest.raises(FhirUnavailable, match=how):
        publish(fhir)
    assert len(publish(fhir)) == 4


def test_a_refused_transaction_is_written_in_no_part(server: FhirServer, fhir: FhirDestination) -> None:
    """The server finds the last entry invalid: nothing of the others is there."""
    bundle = a_bundle()
    bundle["entry"][-1]["resource"]["nonsense"] = "Yamada"
    with pytest.raises(FhirRefused, match="HTTP 400") as refusal:
        publish(fhir, bundle)
    assert not any(secret in str(refusal.value) for secret in PATIENT_DATA)
    assert [server.all(resource_type) for resource_type in TYPES] == [[], [], [], []]


def test_a_server_that_is_not_there() -> None:
    """Nobody listens: it can be tried again."""
    with pytest.raises(FhirUnavailable, match="ConnectError"):
        publish(HttpFhirServer("http://127.0.0.1:9", timeout=1))


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_try_again(status: int) -> None:
    """Statuses that say nothing against the resources themselves."""
    with pytest.raises(FhirUnavailable):
        publish(answering(status))


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 412, 422])
def test_refused(status: int) -> None:
    """Statuses that no repetition mends."""
    with pytest.raises(FhirRefused):
        publish(answering(status))


def test_the_refusal_says_where_and_never_what(caplog: pytest.LogCaptureFixture) -> None:
    """Issue codes and paths are in the text; what may quote the patient is in neither text nor log."""
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
    assert str(refusal.value) == "FHIR server: HTTP 422; invariant Patient.name[0]"
    assert not any(secret in caplog.text for secret in PATIENT_DATA)


@pytest.mark.parametrize(
    ("entry", "reference"),
    [
        ({"response": {"location": "http://fhir.example/r4/Patient/7/_history/2"}}, "Patient/7"),
        ({"response": {"location": "Patient/7"}}, "Patient/7"),
        ({"response": {"status": "200"}, "resource": {"resourceType": "Patient", "id": "7"}}, "Patient/7"),
        ({"response": {"status": "200"}}, "Patient"),
    ],
)
def test_how_servers_tell_the_reference(entry: dict[str, Any], reference: str) -> None:
    """By an absolute or relative location with or without version, by the resource, or not at all."""
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": a_bundle()["entry"][:1]}
    answer = {"resourceType": "Bundle", "type": "transaction-response", "entry": [entry]}
    assert publish(answering(200, answer), bundle) == [reference]


def test_an_answer_that_is_no_transaction_response() -> None:
    """A page that says 200 has not written anything."""
    with pytest.raises(FhirRefused, match="transaction-response"):
        publish(answering(200, {"hello": "world"}))


def test_an_order_is_a_file(tmp_path: Path) -> None:
    """One resource a line, under the day; references are `Type/id` and lead to a line of the file."""
    fhir = open_fhir(NdjsonFhir(kind="ndjson"), tmp_path)
    references = publish(fhir)
    lines = (tmp_path / "2026-11-24" / "main-x.ndjson").read_text(encoding="utf-8").splitlines()
    resources = [json.loads(line) for line in lines]
    assert [f"{resource['resourceType']}/{resource['id']}" for resource in resources] == references
    assert resources[3]["imagingStudy"] == [{"reference": references[2]}]
    assert "urn:uuid:" not in "".join(lines)
    assert validate(resources) == []


def test_the_file_of_a_repeat_is_the_same(tmp_path: Path) -> None:
    """The same bytes in the same place, and no unfinished file beside it."""
    fhir = open_fhir(NdjsonFhir(kind="ndjson", path=str(tmp_path)), Path("unused"))
    publish(fhir)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    first = file.read_bytes()
    publish(fhir)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]
    assert file.read_bytes() == first


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A full or missing disk can be tried again."""
    (tmp_path / "file").touch()
    with pytest.raises(FhirUnavailable):
        publish(open_fhir(NdjsonFhir(kind="ndjson"), tmp_path / "file"))


def test_the_fake_fails_when_told_and_keeps_the_newest() -> None:
    """What a test of a flow needs of a destination."""
    fake = FakeFhir(FhirUnavailable("busy"))
    with pytest.raises(FhirUnavailable):
        publish(fake)
    assert publish(fake)[0] == "Patient/main-x-0"
    assert fake.published["main-x"] == a_bundle()


def _set(entry: int, element: str, value: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda entries: entries[entry]["resource"].__setitem__(element, value)


def _refer(entry: int, element: str, target: int) -> Callable[[list[dict[str, Any]]], None]:
    return lambda entries: entries[entry]["resource"].__setitem__(
        element, [{"reference": entries[target]["fullUrl"]}]
    )


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (_set(0, "gender", "F"), "Patient.gender"),
        (_set(0, "birthDate", "Yamada"), "birthDate"),
        (_set(0, "nonsense", "Yamada"), "nonsense"),
        (_set(1, "status", "done"), "ServiceRequest.status"),
        (_set(1, "priority", "STAT"), "ServiceRequest.priority"),
        (_set(1, "intent", "wish"), "ServiceRequest.intent"),
        (_set(1, "subject", {"reference": "Practitioner/4711"}), "ServiceRequest.subject"),
        (_set(2, "status", "final"), "ImagingStudy.status"),
        (_set(3, "status", "F"), "DiagnosticReport.status"),
        (_refer(2, "basedOn", 0), "ImagingStudy.basedOn"),
        (_refer(3, "imagingStudy", 1), "DiagnosticReport.imagingStudy"),
        (_set(3, "basedOn", [{"reference": "urn:uuid:0"}]), "DiagnosticReport.basedOn"),
        (_set(3, "resultsInterpreter", [{"type": "Patient"}]), "DiagnosticReport.resultsInterpreter"),
    ],
)
def test_what_is_not_valid_is_found_before_it_is_sent(
    spoil: Callable[[list[dict[str, Any]]], None], where: str
) -> None:
    """Bad codes, bad dates, unknown elements, references to the wrong type or to nothing."""
    bundle = a_bundle()
    check(bundle)
    spoil(bundle["entry"])
    with pytest.raises(FhirInvalid, match=where) as problem:
        check(bundle)
    assert not any(secret in str(problem.value) for secret in PATIENT_DATA)

"""Publishing to a real FHIR server (Medplum's): what is written, what not, what others write meanwhile."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mappings.fhir.publishing import Outcome, Written
from mappings.fhir.references import references_in
from mappings.fhir.standing import withdrawal
from radflow.connectors.errors import Unavailable
from radflow.connectors.fhir import (
    FhirConflict,
    FhirDestination,
    FhirRefused,
    FhirUnavailable,
    RememberedInProcess,
)
from radflow.order import State
from tests.fhir_publishing import DAY, PATIENT_DATA, a_bundle, at, publish, resource_of, types_in
from tests.peers_fhir import FhirServer, fhir_server


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
    return at(server.url, max_entries=8)


@pytest.fixture
def memory() -> RememberedInProcess:
    return RememberedInProcess()


def outcomes(written: list[Written]) -> set[Outcome]:
    return {one.outcome for one in written}


def of_type(written: list[Written], resource_type: str) -> Written:
    return next(one for one in written if one.entry.resource_type == resource_type)


def each_is_there_once(server: FhirServer, written: list[Written]) -> bool:
    """One resource for each entry and no other; one version of each."""
    counts = Counter(one.entry.resource_type for one in written)
    once = all(len(server.all(resource_type)) == count for resource_type, count in counts.items())
    return once and all(server.versions(one.reference) == 1 for one in written)


def test_the_references_are_those_of_the_server(server: FhirServer, fhir: FhirDestination) -> None:
    """Each resource is found under the reference that publishing returned, and refers to the others."""
    written = publish(fhir)
    assert [one.entry.resource_type for one in written] == types_in(a_bundle())
    assert outcomes(written) == {Outcome.CREATED}
    references = {one.reference for one in written}
    for one in written:
        resource = server.read(one.reference)
        assert set(references_in(resource)) <= references
        assert resource["meta"]["versionId"] == one.version
    report = server.read(of_type(written, "DiagnosticReport").reference)
    assert report["subject"] == {"reference": of_type(written, "Patient").reference}


@pytest.mark.parametrize("remembers", [True, False])
def test_publishing_twice_writes_nothing(
    remembers: bool, server: FhirServer, fhir: FhirDestination, memory: RememberedInProcess
) -> None:
    """No second resource, version or transaction; also where what was written is forgotten."""
    first = publish(fhir, memory=memory)
    before = server.transactions()
    again = publish(fhir, memory=memory if remembers else None)
    assert outcomes(again) == {Outcome.UNCHANGED}
    assert [one.reference for one in again] == [one.reference for one in first]
    assert each_is_there_once(server, again)
    assert server.transactions() == before


def test_only_what_changed_is_written(server: FhirServer, fhir: FhirDestination) -> None:
    """A corrected report is a new version of the report alone, under its old reference."""
    first = publish(fhir)
    again = publish(fhir, a_bundle(status="C"))
    assert [one.reference for one in again] == [one.reference for one in first]
    updated = [one for one in again if one.outcome is Outcome.UPDATED]
    assert [one.entry.resource_type for one in updated] == ["DiagnosticReport"]
    assert server.versions(updated[0].reference) == 2
    assert server.read(updated[0].reference)["status"] == "corrected"


@pytest.mark.parametrize("how", ["drop", "hang"])
def test_an_answer_that_was_lost_makes_no_duplicate(
    how: Any, server: FhirServer, memory: RememberedInProcess
) -> None:
    """The server wrote, and died or hung before its answer: the next try finds what was written."""
    fhir = at(server.url, timeout_seconds=10 if how == "drop" else 2)
    server.next(how)
    with pytest.raises(FhirUnavailable):
        publish(fhir, memory=memory)
    assert {one.outcome for one in memory.written.values()} == {Outcome.UNAVAILABLE}
    again = publish(fhir, memory=memory)
    assert outcomes(again) == {Outcome.UNCHANGED}
    assert each_is_there_once(server, again)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_server_that_takes_few_entries_at_once(most: int, server: FhirServer) -> None:
    """Several transactions, none larger; the references between them are those of the server."""
    written = publish(at(server.url, max_entries=most))
    sizes = server.transactions()
    assert max(sizes) == most
    assert sum(sizes) == len(written)
    references = {one.reference for one in written}
    assert all(set(references_in(server.read(one.reference))) <= references for one in written)
    assert outcomes(publish(at(server.url, max_entries=most))) == {Outcome.UNCHANGED}
    assert each_is_there_once(server, written)


def test_what_a_part_has_written_is_not_written_again(
    server: FhirServer, memory: RememberedInProcess
) -> None:
    """The second of several transactions fails: the retry goes on from there."""
    fhir = at(server.url, max_entries=1)
    server.next("409")  # looked at again at once …
    server.next("500")  # … and then it is down
    with pytest.raises(FhirUnavailable, match="500"):
        publish(fhir, memory=memory)
    server.next("drop")
    with pytest.raises(FhirUnavailable):
        publish(fhir, memory=memory)
    assert server.transactions() == [1]
    written = publish(fhir, memory=memory)
    assert server.transactions() == [1] * len(written)
    assert each_is_there_once(server, written)


def test_what_others_have_added_stays(server: FhirServer, fhir: FhirDestination) -> None:
    """An update keeps the elements and the identifiers that somebody else has written."""
    written = publish(fhir)
    report = server.read(of_type(written, "DiagnosticReport").reference)
    added = {"system": "urn:other", "value": "17"}
    server.put(report | {"conclusionCode": [{"text": "seen"}], "identifier": [*report["identifier"], added]})
    assert outcomes(publish(fhir)) == {Outcome.UNCHANGED}
    publish(fhir, a_bundle(status="C"))
    now = server.read(of_type(written, "DiagnosticReport").reference)
    assert (now["status"], now["conclusionCode"]) == ("corrected", [{"text": "seen"}])
    assert now["identifier"] == [*report["identifier"], added]


def test_what_we_no_longer_say_goes_away(
    server: FhirServer, fhir: FhirDestination, memory: RememberedInProcess
) -> None:
    """An element that we wrote and have no more is removed, and only such a one."""
    publish(fhir, memory=memory)
    bundle = a_bundle()
    del resource_of(bundle, "DiagnosticReport")["conclusion"]
    written = publish(fhir, bundle, memory)
    assert "conclusion" not in server.read(of_type(written, "DiagnosticReport").reference)


def test_what_somebody_else_writes_meanwhile_is_not_lost(server: FhirServer, fhir: FhirDestination) -> None:
    """Between our look and our write the report is changed: If-Match fails, we look again and merge (412)."""
    written = publish(fhir)
    report = server.read(of_type(written, "DiagnosticReport").reference)
    server.next("meanwhile", report | {"conclusionCode": [{"text": "seen"}]})
    again = publish(fhir, a_bundle(status="C"))
    assert of_type(again, "DiagnosticReport").outcome is Outcome.UPDATED
    now = server.read(report["resourceType"] + "/" + report["id"])
    assert (now["status"], now["conclusionCode"]) == ("corrected", [{"text": "seen"}])
    assert server.versions(of_type(again, "DiagnosticReport").reference) == 3


def test_a_patient_that_somebody_else_makes_meanwhile(server: FhirServer, fhir: FhirDestination) -> None:
    """Between our look and our write the Patient appears: it is found, completed, and not made twice."""
    patient = resource_of(a_bundle(), "Patient")
    theirs = {
        "resourceType": "Patient",
        "id": "theirs",
        "identifier": patient["identifier"],
        "telecom": [{"value": "1"}],
    }
    server.next("meanwhile", theirs)
    written = publish(fhir)
    assert of_type(written, "Patient").reference == "Patient/theirs"
    (now,) = server.all("Patient")
    assert (now["telecom"], now["gender"]) == ([{"value": "1"}], patient["gender"])
    assert server.read(of_type(written, "ImagingStudy").reference)["subject"] == {
        "reference": "Patient/theirs"
    }


@pytest.mark.parametrize("status", ["409", "412"])
def test_a_conflict_is_tried_again_at_once_and_not_for_ever(
    status: Any, server: FhirServer, fhir: FhirDestination
) -> None:
    """One conflict is mended by looking again; one that stays is left for later."""
    server.next(status)
    assert outcomes(publish(fhir)) == {Outcome.CREATED}
    server.clear()
    for _ in range(4):
        server.next(status)
    with pytest.raises(FhirConflict, match=status):
        publish(fhir)
    assert outcomes(publish(fhir)) == {Outcome.CREATED}


def test_a_busy_server_is_left_alone_as_long_as_it_asks(server: FhirServer, fhir: FhirDestination) -> None:
    """429 with Retry-After; then it works."""
    server.next("429", after="120")
    with pytest.raises(Unavailable, match="429") as busy:
        publish(fhir)
    assert busy.value.retry_after.total_seconds() == 120
    assert outcomes(publish(fhir)) == {Outcome.CREATED}


def test_a_refused_transaction_is_written_in_no_part(
    server: FhirServer, fhir: FhirDestination, memory: RememberedInProcess
) -> None:
    """The server finds an entry invalid: nothing of the others is there, and each entry's outcome says so."""
    bundle = a_bundle()
    resource_of(bundle, "DiagnosticReport")["nonsense"] = "Yamada"
    with pytest.raises(FhirRefused, match="HTTP 400") as refusal:
        publish(fhir, bundle, memory)
    assert not any(secret in str(refusal.value) for secret in PATIENT_DATA)
    assert all(server.all(resource_type) == [] for resource_type in types_in(bundle))
    assert {(one.outcome, one.reason) for one in memory.written.values()} == {
        (Outcome.REFUSED, str(refusal.value))
    }


def test_two_resources_with_one_identifier(server: FhirServer, fhir: FhirDestination) -> None:
    """Which of them is meant cannot be known: nothing is written, and a person is told."""
    patient = resource_of(a_bundle(), "Patient")
    for number in "12":
        server.put(
            {
                "resourceType": "Patient",
                "id": number,
                "identifier": patient["identifier"],
                "gender": "unknown",
            }
        )
    with pytest.raises(FhirRefused, match="more than one Patient"):
        publish(fhir)
    assert server.transactions() == []


def test_patients_that_come_from_elsewhere(server: FhirServer, memory: RememberedInProcess) -> None:
    """`patients = "match"`: the Patient is referred to and never written; until it is there, we wait."""
    fhir = at(server.url, patients="match")
    with pytest.raises(FhirUnavailable, match="no Patient"):
        publish(fhir, memory=memory)
    assert server.transactions() == []
    theirs = {
        "resourceType": "Patient",
        "id": "theirs",
        "identifier": resource_of(a_bundle(), "Patient")["identifier"],
    }
    server.put(theirs)
    written = publish(fhir, memory=memory)
    assert of_type(written, "Patient").outcome is Outcome.MATCHED
    assert server.versions("Patient/theirs") == 1
    request = server.read(of_type(written, "ServiceRequest").reference)
    assert request["subject"] == {"reference": "Patient/theirs"}


def test_a_resource_that_was_deleted_is_made_again(
    server: FhirServer, fhir: FhirDestination, memory: RememberedInProcess
) -> None:
    """What we know of the server is what it says now."""
    written = publish(fhir, memory=memory)
    server.delete(of_type(written, "DiagnosticReport").reference)
    again = publish(fhir, memory=memory)
    assert of_type(again, "DiagnosticReport").outcome is Outcome.CREATED
    assert len(server.all("DiagnosticReport")) == 1


def test_what_is_withdrawn_is_entered_in_error(
    server: FhirServer, fhir: FhirDestination, memory: RememberedInProcess
) -> None:
    """It stays, with all it says, under that status; done once, and what is gone is not made again."""
    first = publish(fhir, memory=memory)
    study = of_type(first, "ImagingStudy")
    bundle = a_bundle()
    bundle["entry"] = [one for one in bundle["entry"] if one["fullUrl"] != study.entry.name]
    del resource_of(bundle, "DiagnosticReport")["imagingStudy"]
    withdrawn = withdrawal(study.entry.name, "ImagingStudy", State.RECEIVED, was_final=True)
    for _ in range(2):
        again = fhir.publish(bundle, order_key="main-x", day=DAY, memory=memory, withdrawn=[withdrawn])
        assert again[-1].outcome is Outcome.WITHDRAWN
    now = server.read(study.reference)
    assert now["status"] == "entered-in-error"
    assert now["series"] == study.entry.resource["series"]
    assert server.versions(study.reference) == 2
    server.delete(study.reference)
    fhir.publish(bundle, order_key="main-x", day=DAY, memory=memory, withdrawn=[withdrawn])
    assert server.all("ImagingStudy") == []

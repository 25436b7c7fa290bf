"""Case 2: what was published under the retired identifier: its Patient.link, and whose it is now."""

from typing import Any

from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital
from tests.cases.test_02_merges import MERGED, RETIRED, SURVIVOR, merged, subjects
from tests.peers_fhir import FhirServer


def by_number(hospital: Hospital) -> dict[str, dict[str, Any]]:
    """The Patients by their first identifiers."""
    return {one["identifier"][0]["value"]: one for one in hospital.fhir("Patient")}


def links(hospital: Hospital, number: str) -> list[tuple[str, str]]:
    """Type and number of each Patient that the one of this number is linked to."""
    found = by_number(hospital)[number].get("link", [])
    others = [(one["type"], hospital.referred(one["other"])) for one in found]
    return [(kind, other["identifier"][0]["value"]) for kind, other in others]


def versions(hospital: Hospital) -> dict[str, int]:
    """How many versions each resource of an order and its patients has."""
    types = ("Patient", "ServiceRequest", "ImagingStudy", "DiagnosticReport")
    found = [f"{name}/{one['id']}" for name in types for one in hospital.fhir(name)]
    return {reference: hospital.fhir_server.versions(reference) for reference in found}


def test_the_retired_patient_is_replaced_by_the_survivor(hospital: Hospital) -> None:
    """Both are linked, the retired one is not active; one new version each, and none for what comes again."""
    hospital.publish("P1", RETIRED)
    before = versions(hospital)
    merge = hospital.adt("A40", MERGED)
    hospital.send(merge)
    patients = by_number(hospital)
    assert (patients["T99"]["active"], patients["4711"]["active"]) == (False, True)
    assert links(hospital, "T99") == [("replaced-by", "4711")]
    assert links(hospital, "4711") == [("replaces", "T99")]
    assert subjects(hospital) == {("4711", "Survivor")}
    after = versions(hospital)
    assert {after[reference] - before[reference] for reference in before} == {1}
    hospital.send(merge, hospital.adt("A40", MERGED))
    hospital.advance(hours=1)
    assert versions(hospital) == after


def test_a_preliminary_report_follows(hospital: Hospital) -> None:
    """What waits for its final report is published for the survivor at once."""
    hospital.send(hospital.order(changes=RETIRED))
    hospital.image()
    hospital.send(hospital.report(status="P", changes={"PID": {3: "T99^^^HOSP^MR"}}))
    hospital.send(hospital.adt("A40", MERGED))
    assert hospital.state() == "acquired"
    assert subjects(hospital) == {("4711", "Survivor")}
    assert links(hospital, "T99") == [("replaced-by", "4711")]


def test_a_chain_of_merges(hospital: Hospital) -> None:
    """A into B into C after publishing: both are replaced by C."""
    hospital.publish("P1", {"PID": {3: "A^^^HOSP^MR", 5: "One^A"}})
    hospital.send(hospital.adt("A40", merged("A", "B", "Two^B")))
    hospital.send(hospital.adt("A40", merged("B", "C", "Three^C")))
    assert links(hospital, "A") == links(hospital, "B") == [("replaced-by", "C")]
    assert set(links(hospital, "C")) == {("replaces", "A"), ("replaces", "B")}
    assert subjects(hospital) == {("C", "Three")}


def test_merged_back(hospital: Hospital) -> None:
    """The wrong way round first: the one who was retired is active again, and replaces the other."""
    hospital.publish("P1", RETIRED)
    hospital.send(hospital.adt("A40", MERGED))
    hospital.send(hospital.adt("A40", merged("4711", "T99", "Retired^Ruth")))
    patients = by_number(hospital)
    assert (patients["T99"]["active"], patients["4711"]["active"]) == (True, False)
    assert links(hospital, "4711") == [("replaced-by", "T99")]
    assert links(hospital, "T99") == [("replaces", "4711")]
    assert {number for number, _ in subjects(hospital)} == {"T99"}


def test_patients_that_are_anothers(a_hospital: AHospital, fhir: FhirServer) -> None:
    """Where an EHR writes the Patients (`patients = "match"`), links are its own matter."""
    server = {"kind": "http", "name": "server", "url": fhir.url, "patients": "match"}
    hospital = a_hospital(fhir=[server])
    for number, name in (("T99", "Retired"), ("4711", "Survivor")):
        hospital.fhir_server.put(
            {
                "resourceType": "Patient",
                "id": number,
                "identifier": [{"system": "urn:radflow:main:HOSP", "value": number}],
                "name": [{"family": name}],
            }
        )
    hospital.publish("P1", RETIRED)
    hospital.send(hospital.adt("A04", SURVIVOR), hospital.adt("A40", MERGED))
    assert subjects(hospital) == {("4711", "Survivor")}
    assert [one.get("link") for one in hospital.fhir("Patient")] == [None, None]

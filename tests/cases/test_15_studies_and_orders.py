"""Case 15: one study fulfils several orders (group case); one order is fulfilled by several studies."""

from typing import Any

from pydicom.uid import generate_uid

from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital

GROUP = {"OBR": {18: "ACC1"}}
"""One accession number for both orders."""


def based_on(hospital: Hospital, study: dict[str, Any]) -> set[str]:
    """Placer order numbers of the ServiceRequests that an ImagingStudy is based on."""
    requests = [hospital.referred(reference) for reference in study["basedOn"]]
    return {
        identifier["value"]
        for request in requests
        for identifier in request["identifier"]
        if "type" in identifier and identifier["type"]["coding"][0]["code"] == "PLAC"
    }


def both_are_published_with_the_one_study(hospital: Hospital) -> None:
    assert [hospital.state(number) for number in ("P1", "P2")] == ["acquired", "acquired"]
    assert (hospital.items("P1"), hospital.items("P2")) == ([], [])
    hospital.send(hospital.report("P1"), hospital.report("P2", text="Fracture."))
    assert [hospital.state(number) for number in ("P1", "P2")] == ["published", "published"]
    (study,) = hospital.fhir("ImagingStudy")
    assert based_on(hospital, study) == {"P1", "P2"}
    reports = hospital.fhir("DiagnosticReport")
    assert [one["imagingStudy"] for one in reports] == [[{"reference": f"ImagingStudy/{study['id']}"}]] * 2
    told = [[line.get("OBX-5") for line in one.each("OBX")] for one in hospital.results()]
    assert sorted(lines[-1] for lines in told) == ["Fracture.", "No focal lesion."]
    assert sorted(hospital.warehouse("studies")["order_key"]) == sorted(map(hospital.key, ("P1", "P2")))


def test_a_group_case_by_accession_number(hospital: Hospital) -> None:
    """Both orders have the study's accession number; it has the UID of one of them."""
    hospital.send(hospital.order("P1", changes=GROUP), hospital.order("P2", changes=GROUP))
    hospital.keep(hospital.study(hospital.items("P1")[0]))
    hospital.advance(minutes=1)
    assert hospital.sweep() == {hospital.key("P1"), hospital.key("P2")}
    both_are_published_with_the_one_study(hospital)


def test_a_group_case_told_by_mpps(hospital: Hospital) -> None:
    """Two accession numbers: the modality names the steps of both orders in one performed step."""
    hospital.send(hospital.order("P1"), hospital.order("P2"))
    first, second = hospital.item("P1"), hospital.item("P2")
    second.StudyInstanceUID = first.StudyInstanceUID
    step = hospital.begin(first, second)
    assert [hospital.state(number) for number in ("P1", "P2")] == ["started", "started"]
    images = hospital.study(first)
    hospital.keep(images)
    hospital.end(step, images)
    hospital.advance(minutes=1)
    hospital.sweep()
    both_are_published_with_the_one_study(hospital)


def test_an_order_fulfilled_by_two_studies(a_hospital: AHospital) -> None:
    """The second one, under a UID of the modality's own, has the accession number: both are published."""
    hospital = a_hospital(archives={"orthanc": {"find_by": "accession-list"}})
    hospital.send(hospital.order())
    item = hospital.item()
    hospital.keep(hospital.study(item))
    item.StudyInstanceUID = generate_uid()
    hospital.keep(hospital.study(item))
    hospital.advance(minutes=1)
    hospital.sweep()
    hospital.send(hospital.report())
    assert hospital.state() == "published"
    studies = hospital.fhir("ImagingStudy")
    assert [based_on(hospital, study) for study in studies] == [{"P1"}, {"P1"}]
    (report,) = hospital.fhir("DiagnosticReport")
    assert {one["reference"] for one in report["imagingStudy"]} == {
        f"ImagingStudy/{s['id']}" for s in studies
    }
    assert len(hospital.warehouse("studies")) == 2


def test_the_second_study_after_publishing(hospital: Hospital) -> None:
    """Found by the thorough search, as P2 is waited for: published anew; the EHR has the report already."""
    hospital.send(hospital.order("P2"))
    hospital.publish("P1")
    item = hospital.item("P2")
    item.AccessionNumber, item.StudyInstanceUID = hospital.row("P1").accession_number, generate_uid()
    hospital.keep(hospital.study(item))
    hospital.advance(minutes=61)
    hospital.sweep()
    assert (hospital.state("P1"), hospital.state("P2")) == ("published", "worklisted")
    assert hospital.events("P1")[-2:] == ["study-changed", "published"]
    assert [based_on(hospital, study) for study in hospital.fhir("ImagingStudy")] == [{"P1"}, {"P1"}]
    assert len(hospital.results()) == 1

"""Case 19: the technologist typed no accession number, or another one."""

import json
from typing import Any

from pydicom import Dataset
from pydicom.uid import generate_uid
from typer.testing import CliRunner

from flows.reconcile import describe
from radflow.cli import app
from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital


def radflow(*arguments: str) -> Any:
    """The answer of a command, in JSON."""
    answer = CliRunner().invoke(app, [*arguments, "--json"])
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def typed_in(hospital: Hospital, number: str = "P1", accession: str = "") -> list[Dataset]:
    """Images of the order's patient for which everything was typed in at the modality."""
    return hospital.study(hospital.item(number), StudyInstanceUID=generate_uid(), AccessionNumber=accession)


def thoroughly(hospital: Hospital) -> None:
    """Every study of the days in question is looked at once an hour."""
    hospital.advance(minutes=61)
    hospital.sweep()


def test_found_by_study_instance_uid(hospital: Hospital) -> None:
    """The UID is from the worklist: an accession number that is missing, or another one, does not matter."""
    hospital.send(hospital.order("P1"), hospital.order("P2"))
    for number, accession in (("P1", ""), ("P2", "TYPED")):
        hospital.keep(hospital.study(hospital.item(number), AccessionNumber=accession))
    hospital.advance(minutes=1)
    hospital.sweep()
    assert [hospital.state(number) for number in ("P1", "P2")] == ["acquired", "acquired"]
    assert radflow("reconcile", "list") == []


def test_a_person_confirms_and_the_order_is_published(hospital: Hospital) -> None:
    """Found by patient, modality and day; linked once a person says so, and published with these images."""
    hospital.send(hospital.order("P1"))
    images = typed_in(hospital, accession="TYPED")
    hospital.keep(images)
    thoroughly(hospital)
    thoroughly(hospital)
    assert hospital.state("P1") == "worklisted"
    (candidate,) = radflow("reconcile", "list")
    assert (candidate["order_key"], candidate["study_accession_number"]) == (hospital.key("P1"), "TYPED")

    said = radflow("reconcile", "confirm", str(candidate["id"]), "--reason", "seen on the console")
    hospital.settle()
    assert said["decision"] == "confirmed"
    assert hospital.state("P1") == "acquired"
    assert hospital.items("P1") == []
    (found,) = (line for line in hospital.log("P1") if line.event == "study-found")
    assert found.source.startswith("person:")
    assert found.detail["reason"] == "seen on the console"

    hospital.send(hospital.report("P1"))
    assert hospital.state("P1") == "published"
    (study,) = hospital.fhir("ImagingStudy")
    uid = images[0].StudyInstanceUID
    assert {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"} in study["identifier"]
    assert list(hospital.warehouse("studies")["study_instance_uid"]) == [uid]
    (result,) = hospital.ehr.messages
    told = f"|ST|113014^DICOM Study^DCM||{uid}|".encode()
    assert told in result, "the EHR is told of the study that exists"


def test_the_order_s_number_on_a_stranger_s_images_is_a_question(hospital: Hospital) -> None:
    """One digit wrong, and it is another patient's number: nothing is linked before a person says so."""
    hospital.send(hospital.order("P1"), hospital.order("P2"))
    for number in ("P1", "P2"):
        item = hospital.item(number)
        hospital.keep(hospital.study(item, StudyInstanceUID=generate_uid(), PatientID="0815"))
    hospital.advance(minutes=1)
    hospital.sweep()
    assert [hospital.state(number) for number in ("P1", "P2")] == ["worklisted", "worklisted"]
    proposed = {one["order_key"]: str(one["id"]) for one in radflow("reconcile", "list")}
    assert set(proposed) == {hospital.key("P1"), hospital.key("P2")}
    assert "not under its Patient ID" in describe.fn(int(proposed[hospital.key("P1")]))

    radflow("reconcile", "refuse", proposed[hospital.key("P1")], "--reason", "a stranger's")
    radflow("reconcile", "confirm", proposed[hospital.key("P2")])
    hospital.settle()
    thoroughly(hospital)
    assert [hospital.state(number) for number in ("P1", "P2")] == ["worklisted", "acquired"]
    assert radflow("reconcile", "list") == []


def test_a_number_that_was_the_patient_s_before_a_merge_is_theirs(hospital: Hospital) -> None:
    """A modality without a worklist, where the old Patient ID and the accession number were typed in."""
    retired = {"PID": {3: "T99^^^HOSP^MR", 5: "Retired^Ruth"}}
    hospital.send(hospital.order("P1", changes=retired))
    item = hospital.item("P1")
    merge = {"PID": {3: "4711^^^HOSP^MR"}, "MRG": {1: "T99^^^HOSP^MR"}}
    hospital.send(hospital.adt("A40", merge))
    hospital.keep(hospital.study(item, StudyInstanceUID=generate_uid()))
    hospital.advance(minutes=1)
    hospital.sweep()
    assert hospital.state("P1") == "acquired"


def test_an_archive_with_patient_ids_of_its_own(a_hospital: AHospital) -> None:
    """Where the site says that accession numbers count alone, nobody is asked."""
    hospital = a_hospital(finding={"accession_alone": True})
    hospital.send(hospital.order("P1"))
    item = hospital.item("P1")
    hospital.keep(hospital.study(item, StudyInstanceUID=generate_uid(), PatientID="PACS-1"))
    hospital.advance(minutes=1)
    hospital.sweep()
    assert hospital.state("P1") == "acquired"


def test_never_linked_by_guess(hospital: Hospital) -> None:
    """Two orders of the patient today, one study without numbers: it is proposed for both, neither has it."""
    hospital.send(hospital.order("P1"), hospital.order("P2"))
    hospital.keep(typed_in(hospital))
    thoroughly(hospital)
    assert [hospital.state(number) for number in ("P1", "P2")] == ["worklisted", "worklisted"]
    proposed = {one["order_key"]: str(one["id"]) for one in radflow("reconcile", "list")}
    assert set(proposed) == {hospital.key("P1"), hospital.key("P2")}

    radflow("reconcile", "refuse", proposed[hospital.key("P1")], "--reason", "other region")
    radflow("reconcile", "confirm", proposed[hospital.key("P2")])
    hospital.settle()
    thoroughly(hospital)
    assert [hospital.state(number) for number in ("P1", "P2")] == ["worklisted", "acquired"]
    (refused,) = (line for line in hospital.log("P1") if line.event == "candidate-refused")
    assert refused.source.startswith("person:")
    assert refused.detail["reason"] == "other region"
    assert radflow("reconcile", "list") == []


def test_another_patients_images_are_never_proposed(hospital: Hospital) -> None:
    """Neither are those of another day."""
    hospital.send(hospital.order("P1"))
    item = hospital.item("P1")
    hospital.keep(hospital.study(item, StudyInstanceUID=generate_uid(), AccessionNumber="", PatientID="0815"))
    yesterday = f"{hospital.local().date().replace(day=23):%Y%m%d}"
    hospital.keep(
        hospital.study(item, StudyInstanceUID=generate_uid(), AccessionNumber="", StudyDate=yesterday)
    )
    thoroughly(hospital)
    assert radflow("reconcile", "list") == []


def test_a_proposal_that_is_overtaken_is_no_question_any_more(hospital: Hospital) -> None:
    """The images of the worklist entry come after all."""
    hospital.send(hospital.order("P1"))
    hospital.keep(typed_in(hospital))
    thoroughly(hospital)
    (candidate,) = radflow("reconcile", "list")
    hospital.image("P1")
    assert hospital.state("P1") == "acquired"
    assert radflow("reconcile", "list") == []
    late = CliRunner().invoke(app, ["reconcile", "confirm", str(candidate["id"])])
    assert late.exit_code == 2
    assert "cannot" in late.output or "no candidate" in late.output

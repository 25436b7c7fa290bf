"""Case 18: the wrong worklist entry was picked; the study is relinked to the right order."""

from typing import Any

from typer.testing import CliRunner

from radflow.cli import app
from tests.cases.hospital import Hospital

OTHER_PATIENT = {"PID": {3: "4712^^^HOSP", 5: "Weber^Jan"}}


def relink(hospital: Hospital, study_uid: str, wrong: str, right: str) -> None:
    keys = ["--from", hospital.key(wrong), "--to", hospital.key(right)]
    answer = CliRunner().invoke(app, ["orders", "relink", study_uid, *keys, "--reason", "wrong entry"])
    assert answer.exit_code == 0, answer.output
    hospital.settle()


def family(hospital: Hospital, resource: dict[str, Any]) -> str:
    return str(hospital.referred(resource["subject"])["name"][0]["family"])


def test_before_the_report(hospital: Hospital) -> None:
    """The images are the other patient's: the wrong order is on the worklist again, the right one goes on."""
    hospital.send(hospital.order("P1"), hospital.order("P2", changes=OTHER_PATIENT))
    uid = str(hospital.image("P1")[0].StudyInstanceUID)
    relink(hospital, uid, "P1", "P2")
    assert [hospital.state(number) for number in ("P1", "P2")] == ["worklisted", "acquired"]
    assert (len(hospital.items("P1")), hospital.items("P2")) == (1, [])
    hospital.advance(minutes=61)
    assert hospital.sweep() == set()

    hospital.send(hospital.report("P2", changes=OTHER_PATIENT))
    assert hospital.state("P2") == "published"
    (study,) = hospital.fhir("ImagingStudy")
    assert family(hospital, study) == "Weber"
    # The wrong order is done after all, under a study of its own.
    images = hospital.image("P1")
    assert str(images[0].StudyInstanceUID) != uid
    assert hospital.state("P1") == "acquired"


def test_after_publishing(hospital: Hospital) -> None:
    """What was published for the wrong order is withdrawn everywhere; the right one gets the study."""
    hospital.send(hospital.order("P2", changes=OTHER_PATIENT))
    images = hospital.publish("P1")
    uid = str(images[0].StudyInstanceUID)
    (wrong,) = hospital.fhir("DiagnosticReport")
    relink(hospital, uid, "P1", "P2")
    assert [hospital.state(number) for number in ("P1", "P2")] == ["reported-without-images", "acquired"]
    assert hospital.fhir_server.read(f"DiagnosticReport/{wrong['id']}")["status"] == "entered-in-error"
    hospital.advance(minutes=61)
    assert hospital.sweep() == set()

    hospital.send(hospital.report("P2", changes=OTHER_PATIENT))
    assert hospital.state("P2") == "published"
    live = [one for one in hospital.fhir("ImagingStudy") if one["status"] == "available"]
    assert [family(hospital, study) for study in live] == ["Weber"]
    reports = [one for one in hospital.fhir("DiagnosticReport") if one["status"] == "final"]
    assert [family(hospital, report) for report in reports] == ["Weber"]
    rows = hospital.warehouse("studies")
    assert list(rows[rows["order_key"] == hospital.key("P2")]["study_instance_uid"]) == [uid]
    assert rows[rows["order_key"] == hospital.key("P1")].empty

"""Case 5: an unidentified (trauma) patient is imaged first, identified and ordered later, then reconciled."""

import json
from typing import Any

from pydicom import Dataset
from typer.testing import CliRunner

from radflow.cli import app
from tests.cases.hospital import Hospital

UNKNOWN = {"PID": {3: "TRAUMA7^^^HOSP^PT", 5: "Unknown^Male", 8: "M"}}
IDENTIFIED = {
    "PID": {3: "4711^^^HOSP^MR", 5: "Müller^Hans", 7: "19610412", 8: "M"},
    "MRG": {1: "TRAUMA7^^^HOSP^PT"},
}


def at_the_console(hospital: Hospital, study_uid: str) -> list[Dataset]:
    """Images of TRAUMA7, for whom everything was typed in: they bear no number of an order."""
    hospital.send(hospital.order("P9", changes={"PID": {3: "1^^^HOSP^MR", 5: "Somebody^Else"}}))
    return hospital.study(
        hospital.item("P9"), PatientID="TRAUMA7", PatientName="Unknown^Male", AccessionNumber="",
        StudyInstanceUID=study_uid,
    )  # fmt: skip


def radflow(*arguments: str) -> Any:
    """The answer of a command, in JSON."""
    answer = CliRunner().invoke(app, [*arguments, "--json"])
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def whose(hospital: Hospital) -> list[tuple[str, str]]:
    """MRN and name of the subject of everything that is published."""
    published = [*hospital.fhir("ImagingStudy"), *hospital.fhir("DiagnosticReport")]
    patients = [hospital.referred(one["subject"]) for one in published]
    return sorted({(one["identifier"][0]["value"], one["name"][0]["family"]) for one in patients})


def test_ordered_and_imaged_under_a_temporary_number_then_identified(hospital: Hospital) -> None:
    """IHE's unidentified patient case 1: ADT and order under the temporary number, merged afterwards."""
    hospital.send(hospital.adt("A04", UNKNOWN))
    hospital.publish("P1", UNKNOWN)
    assert whose(hospital) == [("TRAUMA7", "Unknown")]
    hospital.send(hospital.order("P2", changes=UNKNOWN))
    hospital.send(hospital.adt("A40", IDENTIFIED))
    item = hospital.item("P2")
    assert (item.PatientID, item.PatientName, item.PatientBirthDate) == ("4711", "Müller^Hans", "19610412")
    assert whose(hospital) == [("4711", "Müller")]
    assert [one.get("PID-3.1") for one in hospital.results()] == ["TRAUMA7", "4711"]
    assert set(hospital.warehouse("orders")["patient_id"]) == {"HOSP|4711"}


def test_imaged_before_there_is_an_order(hospital: Hospital) -> None:
    """IHE's case 3: made at the console, without a worklist entry; ordered for it and then identified.

    Nothing but the temporary number ties the images to the order that comes later: a person has to say so.
    """
    hospital.keep(at_the_console(hospital, "1.2.3.7"))
    hospital.advance(minutes=10)
    hospital.sweep()
    hospital.send(hospital.adt("A04", UNKNOWN), hospital.order("P1", changes=UNKNOWN))
    hospital.advance(hours=2)
    hospital.sweep()
    assert hospital.state("P1") == "worklisted"
    (proposed,) = radflow("reconcile", "list")
    assert (proposed["order_key"], proposed["study_instance_uid"]) == (hospital.key("P1"), "1.2.3.7")

    radflow("reconcile", "confirm", str(proposed["id"]), "--reason", "seen on the console")
    hospital.settle()
    hospital.send(hospital.report("P1", changes={"PID": {3: "TRAUMA7^^^HOSP^PT"}}))
    assert hospital.state("P1") == "published"
    hospital.send(hospital.adt("A40", IDENTIFIED))
    assert whose(hospital) == [("4711", "Müller")]


def test_identified_before_the_order_reaches_us(hospital: Hospital) -> None:
    """The merge is quicker than the order that was placed under the temporary number."""
    hospital.send(hospital.adt("A04", UNKNOWN), hospital.adt("A40", IDENTIFIED))
    hospital.send(hospital.order("P1", changes=UNKNOWN))
    item = hospital.item("P1")
    assert (item.PatientID, item.PatientName) == ("4711", "Müller^Hans")
    hospital.image("P1")
    hospital.send(hospital.report("P1"))
    assert whose(hospital) == [("4711", "Müller")]


def test_images_under_the_temporary_number_are_found_for_whoever_it_was(hospital: Hospital) -> None:
    """Identified while the images are under way: those that bear the temporary number are proposed too."""
    images = at_the_console(hospital, "1.2.3.8")
    hospital.send(hospital.adt("A04", UNKNOWN), hospital.adt("A40", IDENTIFIED))
    hospital.send(hospital.order("P1", changes={"PID": IDENTIFIED["PID"]}))
    hospital.keep(images)
    hospital.advance(hours=2)
    hospital.sweep()
    assert [one["study_instance_uid"] for one in radflow("reconcile", "list")] == ["1.2.3.8"]
    assert hospital.state("P1") == "worklisted"

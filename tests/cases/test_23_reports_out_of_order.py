"""Case 23: a report before the images, for an unknown order, and for a group of orders."""

from typing import Any

from tests.cases.hospital import Hospital
from tests.hl7_builders import segment

PLACER = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PLAC"}


def conclusions(hospital: Hospital) -> dict[str, str]:
    """The text of each DiagnosticReport, by the placer order number."""
    return {_placer_number(one): one["conclusion"] for one in hospital.fhir("DiagnosticReport")}


def _placer_number(resource: dict[str, Any]) -> str:
    (number,) = [one["value"] for one in resource["identifier"] if one.get("type") == {"coding": [PLACER]}]
    return str(number)


def texts(hospital: Hospital) -> list[tuple[str, str]]:
    """Placer order number and last OBX-5 of each result that the EHR has got."""
    return [(one.get("OBR-2.1"), list(one.each("OBX"))[-1].get("OBX-5")) for one in hospital.results()]


def found_late(hospital: Hospital, number: str) -> None:
    """Images of an order that has left the worklist already, made as those of order P9 would be."""
    hospital.send(hospital.order("P9"))
    item, row = hospital.item("P9"), hospital.row(number)
    item.StudyInstanceUID, item.AccessionNumber = row.study_instance_uid, row.accession_number
    hospital.keep(hospital.study(item))
    hospital.advance(minutes=1)
    hospital.sweep()


def test_before_the_images(hospital: Hospital) -> None:
    """It is kept, and nothing of it goes out until they are found; then all of it does, once."""
    hospital.send(hospital.order())
    hospital.send(hospital.report(text="Quicker than the archive."))
    assert hospital.state() == "reported-without-images"
    assert (hospital.results(), hospital.fhir("DiagnosticReport")) == ([], [])
    assert hospital.items() == []
    found_late(hospital, "P1")
    assert hospital.state() == "published"
    assert conclusions(hospital) == {"P1": "Quicker than the archive."}
    assert texts(hospital) == [("P1", "Quicker than the archive.")]


def test_a_preliminary_one_before_the_images(hospital: Hospital) -> None:
    """Preliminary and final come before the images: the final one is published with them, and only it."""
    hospital.send(hospital.order())
    images = hospital.study(hospital.item())
    hospital.send(hospital.report(status="P", text="Opacity."))
    assert hospital.state() == "preliminary-without-images"
    hospital.send(hospital.report(status="F", text="Pneumonia."))
    hospital.keep(images)
    hospital.advance(minutes=1)
    hospital.sweep()
    assert hospital.state() == "published"
    assert texts(hospital) == [("P1", "Pneumonia.")]
    assert hospital.warehouse("reports")["version"].max() == 2


def test_of_an_unknown_order(hospital: Hospital) -> None:
    """It waits for its order, and is the order's as soon as there is one; others' orders do not get it."""
    assert hospital.send(hospital.report("P7", text="Nobody's yet.")) == ["AA"]
    assert [message.state for message in hospital.inbox()] == ["waiting"]
    hospital.publish("P1")
    assert texts(hospital) == [("P1", "No focal lesion.")]
    hospital.send(hospital.order("P7"))
    assert (hospital.state("P7"), hospital.inbox()[0].state) == ("reported-without-images", "processed")
    found_late(hospital, "P7")
    assert hospital.state("P7") == "published"
    assert conclusions(hospital) == {"P1": "No focal lesion.", "P7": "Nobody's yet."}


def test_of_a_group(hospital: Hospital) -> None:
    """One message with an OBR for each order: a report for each, and the others wait for theirs."""
    hospital.send(hospital.order("P1"), hospital.order("P2"))
    for number in ("P1", "P2"):
        hospital.image(number)
    results = [
        part
        for number in ("P1", "P2", "P3")
        for part in (
            segment("OBR", {2: f"{number}^EHR", 4: "CTCHEST^CT chest^L", 25: "F"}),
            segment("OBX", {1: "1", 2: "TX", 5: f"Of {number}.", 11: "F"}),
        )
    ]
    report = hospital.message("ORU^R01^ORU_R01", segment("PID", {3: "4711^^^HOSP"}), *results)
    hospital.send(report)
    assert [hospital.state(number) for number in ("P1", "P2")] == ["published", "published"]
    assert conclusions(hospital) == {"P1": "Of P1.", "P2": "Of P2."}
    hospital.send(hospital.order("P3"))
    assert hospital.state("P3") == "reported-without-images"
    found_late(hospital, "P3")
    assert conclusions(hospital) == {"P1": "Of P1.", "P2": "Of P2.", "P3": "Of P3."}
    assert sorted(texts(hospital)) == [("P1", "Of P1."), ("P2", "Of P2."), ("P3", "Of P3.")]

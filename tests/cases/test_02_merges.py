"""Case 2: A40 merges; orders, worklist, ImagingStudy.subject and report follow the survivor."""

from itertools import permutations

import pytest
from sqlmodel import select

from radflow.store import destinations
from radflow.store.tables import OutboxMessage
from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital

RETIRED = {"PID": {3: "T99^^^HOSP^MR", 5: "Retired^Ruth", 7: "19500101", 8: "F"}}
SURVIVOR = {"PID": {3: "4711^^^HOSP^MR", 5: "Survivor^Sina", 7: "19610412", 8: "F"}}


def merged(retired: str, into: str, name: str = "Survivor^Sina") -> dict[str, dict[int, str]]:
    return {
        "PID": {3: f"{into}^^^HOSP^MR", 5: name, 7: "19610412", 8: "F"},
        "MRG": {1: f"{retired}^^^HOSP^MR"},
    }


MERGED = merged("T99", "4711")


def subjects(hospital: Hospital) -> set[tuple[str, str]]:
    """Number and name of the patients of whom anything is published."""
    published = [*hospital.fhir("ImagingStudy"), *hospital.fhir("DiagnosticReport")]
    published += hospital.fhir("ServiceRequest")
    patients = [hospital.referred(one["subject"]) for one in published]
    return {(one["identifier"][0]["value"], one["name"][0]["family"]) for one in patients}


def patient_ids(hospital: Hospital) -> set[str]:
    return set(hospital.warehouse("orders")["patient_id"])


def test_before_acquisition(hospital: Hospital) -> None:
    """The modality is shown the survivor, and all that follows is theirs."""
    hospital.send(hospital.adt("A04", SURVIVOR), hospital.order("P1", changes=RETIRED))
    hospital.send(hospital.adt("A40", MERGED))
    item = hospital.item("P1")
    assert (item.PatientID, item.PatientName) == ("4711", "Survivor^Sina")
    hospital.image("P1")
    hospital.send(hospital.report("P1", changes={"PID": {3: "4711^^^HOSP^MR"}}))
    assert hospital.state("P1") == "published"
    assert subjects(hospital) == {("4711", "Survivor")}
    assert [one.get("PID-3.1") for one in hospital.results()] == ["4711"]
    assert patient_ids(hospital) == {"HOSP|4711"}


def test_between_acquisition_and_report(hospital: Hospital) -> None:
    """The images still bear the retired number, and so does the report that was dictated meanwhile."""
    hospital.send(hospital.order("P1", changes=RETIRED))
    images = hospital.image("P1")
    assert {image.PatientID for image in images} == {"T99"}
    hospital.send(hospital.adt("A40", MERGED))
    assert hospital.state("P1") == "acquired"
    hospital.send(hospital.report("P1", changes={"PID": {3: "T99^^^HOSP^MR", 5: "Retired^Ruth"}}))
    assert hospital.state("P1") == "published"
    assert subjects(hospital) == {("4711", "Survivor")}
    assert [(one.get("PID-3.1"), one.get("PID-5.1")) for one in hospital.results()] == [("4711", "Survivor")]


def test_after_acquisition_by_a_modality_that_had_the_old_item(hospital: Hospital) -> None:
    """Images made of the worklist as it was before the merge are the order's all the same."""
    hospital.send(hospital.order("P1", changes=RETIRED))
    images = hospital.study(hospital.item("P1"))
    hospital.send(hospital.adt("A40", MERGED))
    hospital.keep(images)
    hospital.sweep()
    assert hospital.state("P1") == "acquired"


def test_after_publishing(hospital: Hospital) -> None:
    """What is published follows, and the EHR gets the result anew: once, however often it is told."""
    hospital.publish("P1", RETIRED)
    assert subjects(hospital) == {("T99", "Retired")}
    merge = hospital.adt("A40", MERGED)
    hospital.send(merge)
    assert hospital.state("P1") == "published"
    assert subjects(hospital) == {("4711", "Survivor")}
    assert [one.get("PID-3.1") for one in hospital.results()] == ["T99", "4711"]
    assert patient_ids(hospital) == {"HOSP|4711"}

    before = hospital.log("P1")
    hospital.send(merge, hospital.adt("A40", MERGED))
    hospital.advance(hours=1)
    assert (hospital.log("P1"), len(hospital.results())) == (before, 2)


def test_orders_of_both_patients_are_the_survivors(hospital: Hospital) -> None:
    """One waits for images, one for its report, one is published: each goes on from where it is."""
    hospital.publish("P1", RETIRED)
    hospital.send(hospital.order("P2", changes=RETIRED), hospital.order("P3", changes=SURVIVOR))
    hospital.image("P2")
    hospital.send(hospital.order("P4", changes=RETIRED))
    hospital.send(hospital.adt("A40", MERGED))
    assert {row.document["patient"]["identifiers"][0]["value"] for row in hospital.rows()} == {"4711"}
    assert len({row.patient_id for row in hospital.rows()}) == 1
    assert [hospital.state(number) for number in ("P1", "P2", "P3", "P4")] == [
        "published", "acquired", "worklisted", "worklisted",
    ]  # fmt: skip
    assert "patient-merged" not in hospital.events("P3")
    assert {item.PatientID for item in hospital.worklist()} == {"4711"}


def test_a_chain_of_merges(hospital: Hospital) -> None:
    """A into B into C, told in either order: whatever is of A is of C."""
    hospital.send(hospital.order("P1", changes={"PID": {3: "A^^^HOSP^MR", 5: "One^A"}}))
    hospital.send(hospital.adt("A40", merged("A", "B", "Two^B")))
    hospital.send(hospital.adt("A40", merged("B", "C", "Three^C")))
    hospital.send(hospital.adt("A40", merged("E", "F", "Three^F")))
    hospital.send(hospital.order("P2", changes={"PID": {3: "D^^^HOSP^MR", 5: "One^D"}}))
    hospital.send(hospital.adt("A40", merged("D", "E", "Two^E")))
    items = [hospital.item(number) for number in ("P1", "P2")]
    assert [(item.PatientID, item.PatientName) for item in items] == [("C", "Three^C"), ("F", "Three^F")]
    hospital.send(hospital.order("P3", changes={"PID": {3: "A^^^HOSP^MR", 5: "One^A"}}))
    assert hospital.item("P3").PatientID == "C"

    hospital.image("P1")
    hospital.send(hospital.report("P1", changes={"PID": {3: "A^^^HOSP^MR", 5: "One^A"}}))
    assert subjects(hospital) == {("C", "Three")}
    assert [one.get("PID-3.1") for one in hospital.results()] == ["C"]
    assert patient_ids(hospital) == {"HOSP|C", "HOSP|F"}


def test_an_order_that_comes_late_under_the_retired_number(hospital: Hospital) -> None:
    """Its placer knows the patient by the old number and name; the worklist shows who they are."""
    hospital.send(hospital.adt("A04", SURVIVOR), hospital.adt("A04", RETIRED), hospital.adt("A40", MERGED))
    hospital.send(hospital.order("P1", changes=RETIRED))
    item = hospital.item("P1")
    assert (item.PatientID, item.PatientName) == ("4711", "Survivor^Sina")
    hospital.image("P1")
    hospital.send(hospital.report("P1", changes={"PID": {3: "T99^^^HOSP^MR", 5: "Retired^Ruth"}}))
    assert subjects(hospital) == {("4711", "Survivor")}
    assert [one.get("PID-3.1") for one in hospital.results()] == ["4711"]
    assert patient_ids(hospital) == {"HOSP|4711"}


def test_news_under_the_retired_number_change_nothing(hospital: Hospital) -> None:
    """An A08 that was on its way when the patients were merged."""
    news = {"PID": {3: "T99^^^HOSP^MR", 5: "Retired^Anew"}}
    hospital.send(hospital.order("P1", changes=RETIRED), hospital.adt("A40", MERGED))
    hospital.send(hospital.adt("A08", news))
    assert hospital.item("P1").PatientName == "Survivor^Sina"
    hospital.image("P1")
    hospital.send(hospital.report("P1", changes={"PID": {3: "4711^^^HOSP^MR"}}))
    hospital.send(hospital.adt("A08", news))
    assert subjects(hospital) == {("4711", "Survivor")}
    assert [one.get("PID-5.1") for one in hospital.results()] == ["Survivor"]


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_in_any_order(hospital: Hospital, order: tuple[int, ...]) -> None:
    """MSH-7 tells what came first: the survivor by their newest name, and what only older messages say."""
    at = [{"msh_7": f"2026112408000{second}"} for second in range(4)]
    said = [
        hospital.adt("A04", {"PID": {3: "4711^^^HOSP^MR", 5: "Maiden^Sina", 7: "19610412", 8: ""}}, **at[0]),
        hospital.order("P1", changes=RETIRED, **at[1]),
        hospital.adt("A40", MERGED, **at[2]),
        hospital.adt("A08", {"PID": {3: "4711^^^HOSP^MR", 5: "Married^Sina", 7: "", 8: ""}}, **at[3]),
    ]
    for number in order:
        hospital.send(said[number])
    item = hospital.item("P1")
    shown = (item.PatientID, item.PatientName, item.PatientBirthDate, item.PatientSex)
    assert shown == ("4711", "Married^Sina", "19610412", "F")
    assert len({row.patient_id for row in hospital.rows()}) == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=str)
def test_merged_back_in_any_order(hospital: Hospital, order: tuple[int, ...]) -> None:
    """The one who was retired first is the survivor in the end."""
    hospital.send(hospital.order("P1", changes=RETIRED), hospital.order("P2", changes=SURVIVOR))
    hospital.advance(minutes=1)
    first = hospital.adt("A40", MERGED)
    hospital.advance(minutes=1)
    said = [first, hospital.adt("A40", merged("4711", "T99", "Retired^Ruth"))]
    for number in order:
        hospital.send(said[number])
    assert {item.PatientID for item in hospital.worklist()} == {"T99"}


def test_a_receiver_that_was_away_hears_it_all_in_order_across_a_merge(a_hospital: AHospital) -> None:
    """What waits of the retired patient goes before the merge, and the merge before what came after it."""
    hospital = a_hospital(routes=[{"name": "registration", "when": {"MSH-9.1": "ADT"}, "to": ["ris"]}])
    with hospital.store.write() as session:
        destinations.pause(session, "main", "ris")
    hospital.send(hospital.adt("A04", SURVIVOR), hospital.adt("A04", RETIRED))
    hospital.send(hospital.order("P1", changes=RETIRED))
    hospital.send(hospital.adt("A40", MERGED))
    hospital.send(hospital.order("P2", changes=RETIRED))
    assert hospital.told_ris() == []
    with hospital.store.read() as session:
        waiting = session.exec(select(OutboxMessage).where(OutboxMessage.destination == "ris")).all()
    assert {row.queue for row in waiting} == {"HOSP|4711"}
    assert [row.state for row in waiting] == ["queued", *["behind"] * 4]

    with hospital.store.write() as session:
        destinations.resume(session, "main", "ris")
    hospital.advance(minutes=1)
    told = [(one.get("MSH-9.2"), one.get("PID-3.1")) for one in hospital.told_ris()]
    assert told == [("A04", "4711"), ("A04", "T99"), ("O01", "T99"), ("A40", "4711"), ("O01", "4711")]

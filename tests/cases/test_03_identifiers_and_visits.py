"""Case 3: a change of identifier (A47, A18); a cancelled admission or discharge (A11, A13)."""

import pytest

from tests.cases.hospital import Hospital

RENUMBERED = {"PID": {3: "9001^^^HOSP^MR"}, "MRG": {1: "4711^^^HOSP^MR"}}
NUMBERED = {"PID": {3: "4711^^^HOSP^MR"}}


@pytest.mark.parametrize("event", ["A18", "A47"])
def test_another_identifier_reaches_worklist_ehr_fhir_and_warehouse(hospital: Hospital, event: str) -> None:
    """The same person under another number: orders that wait, and what is published, go by the new one."""
    hospital.publish("P1", NUMBERED)
    hospital.send(hospital.order("P2", changes=NUMBERED))
    hospital.send(hospital.adt(event, RENUMBERED))

    item = hospital.item("P2")
    assert (item.PatientID, item.IssuerOfPatientID) == ("9001", "HOSP")
    assert hospital.state("P1") == "published"
    assert [one.get("PID-3.1") for one in hospital.results()] == ["4711", "9001"]
    (study,), (report,) = hospital.fhir("ImagingStudy"), hospital.fhir("DiagnosticReport")
    for published in (study, report):
        assert [one["value"] for one in hospital.referred(published["subject"])["identifier"]] == ["9001"]
    assert set(hospital.warehouse("orders")["patient_id"]) == {"HOSP|9001"}


@pytest.mark.parametrize("event", ["A18", "A47"])
def test_an_order_under_the_former_identifier_is_the_same_patients(hospital: Hospital, event: str) -> None:
    """Some department's system has not heard of the new number yet."""
    hospital.send(hospital.adt("A04", NUMBERED), hospital.adt(event, RENUMBERED))
    hospital.send(hospital.order("P1", changes=NUMBERED))
    assert hospital.item("P1").PatientID == "9001"


@pytest.mark.parametrize("event", ["A11", "A13"])
def test_a_visit_that_is_taken_back_leaves_orders_alone(hospital: Hospital, event: str) -> None:
    """The order may be cancelled too, but its placer says so."""
    hospital.send(hospital.adt("A01"), hospital.order("P1"))
    item, legs = hospital.item("P1"), hospital.engine.legs.done
    assert hospital.send(hospital.adt(event, {"PID": {5: "Other^Name"}})) == ["AA"]
    assert hospital.item("P1") == item
    assert hospital.engine.legs.done == legs
    assert hospital.events("P1") == ["order-received", "worklisted"]
    hospital.image("P1")
    hospital.send(hospital.report("P1"))
    assert hospital.state("P1") == "published"

"""Case 6: NW by ORM^O01, OMG^O19 and OMI^O23; several orders, and several steps, in one message."""

import pytest

from tests.cases.hospital import Hospital
from tests.hl7_builders import an_omg, an_omi, an_orm, segment


@pytest.mark.parametrize("builder", [an_orm, an_omg, an_omi])
def test_the_same_order_comes_out_of_each(hospital: Hospital, builder: object) -> None:
    """Worklist, what the RIS is told, FHIR and warehouse do not show by which message it came."""
    assert hospital.send(hospital.write(builder)) == ["AA"]
    item = hospital.item("P1")
    step = item.ScheduledProcedureStepSequence[0]
    assert (item.PatientID, item.RequestedProcedureDescription) == ("4711", "CT chest")
    assert (step.Modality, step.ScheduledProcedureStepID) == ("CT", f"S{hospital.key()[5:].upper()}")
    (told,) = hospital.told_ris()
    assert [told.get(path) for path in ("ORC-1", "ORC-2", "OBR-4", "OBR-24")] == ["NW", "P1", "CTCHEST", "CT"]
    hospital.image()
    hospital.send(hospital.report())
    (request,) = hospital.fhir("ServiceRequest")
    assert request["code"]["coding"][0]["code"] == "CTCHEST"
    (row,) = hospital.warehouse("orders").to_dict("records")
    assert (row["modality"], row["procedure_code"], row["state"]) == ("CT", "CTCHEST", "published")


def test_several_orders_in_one_message(hospital: Hospital) -> None:
    """Each ORC with its OBR is an order: its own worklist item, message to the RIS, and result."""
    groups = [
        line
        for number, modality in (("P1", "CT"), ("P2", "MR"))
        for line in (
            segment("ORC", {1: "NW", 2: f"{number}^EHR"}),
            segment("OBR", {2: f"{number}^EHR", 4: f"{modality}X^Chest^L", 24: modality}),
        )
    ]
    pid = segment("PID", {3: "4711^^^HOSP", 5: "Müller^Åse"})
    assert hospital.send(hospital.message("ORM^O01^ORM_O01", pid, *groups)) == ["AA"]
    shown = {item.AccessionNumber: item.ScheduledProcedureStepSequence[0] for item in hospital.worklist()}
    assert {hospital.row(number).accession_number for number in ("P1", "P2")} == set(shown)
    assert sorted(step.Modality for step in shown.values()) == ["CT", "MR"]
    assert sorted(told.get("ORC-2") for told in hospital.told_ris()) == ["P1", "P2"]

    hospital.image("P2")
    hospital.send(hospital.report("P2"))
    assert (hospital.state("P1"), hospital.state("P2")) == ("worklisted", "published")


def test_each_ipc_is_a_scheduled_step(hospital: Hospital) -> None:
    """An OMI with two IPC: two worklist items of one order, one study, one result."""
    lines = [
        segment("PID", {3: "4711^^^HOSP", 5: "Müller^Åse"}),
        segment("ORC", {1: "NW", 2: "P1^EHR"}),
        segment("TQ1", {1: "1", 7: "20261124090000"}),
        segment("OBR", {2: "P1^EHR", 4: "PETCT^PET-CT^L"}),
        segment("IPC", {1: "A1", 2: "RP1", 3: "1.2.3.4.5", 4: "STEP1", 5: "CT"}),
        segment("IPC", {1: "A1", 2: "RP1", 3: "1.2.3.4.5", 4: "STEP2", 5: "PT"}),
    ]
    assert hospital.send(hospital.message("OMI^O23^OMI_O23", *lines)) == ["AA"]
    items = hospital.items("P1")
    steps = [item.ScheduledProcedureStepSequence[0] for item in items]
    assert [(step.ScheduledProcedureStepID, step.Modality) for step in steps] == [
        ("STEP1", "CT"),
        ("STEP2", "PT"),
    ]
    assert {item.StudyInstanceUID for item in items} == {"1.2.3.4.5"}
    hospital.keep([image for item in items for image in hospital.study(item)])
    hospital.advance(minutes=1)
    hospital.sweep()
    hospital.send(hospital.report("P1"))
    (study,) = hospital.fhir("ImagingStudy")
    assert sorted(one["code"] for one in study["modality"]) == ["CT", "PT"]
    assert list(hospital.warehouse("orders")["state"]) == ["published"]

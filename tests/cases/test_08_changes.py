"""Case 8: XO, XX, SC: the worklist shows the new time, station, modality, procedure and priority."""

from typing import Any

import pytest

from tests.cases.hospital import Hospital

AT_TEN: dict[str, dict[int, str]] = {"OBR": {27: "^^^20261124100000^^R", 21: "CT1", 24: "CT"}}
OTHERWISE: dict[str, dict[int, str]] = {
    "OBR": {4: "MRHEAD^MR head^L", 21: "MR2", 24: "MR", 27: "^^^20261125143000^^S"}
}


def shown(hospital: Hospital) -> dict[str, Any]:
    """What of the one worklist item a change can be about."""
    item = hospital.item("P1")
    step = item.ScheduledProcedureStepSequence[0]
    return {
        "procedure": item.RequestedProcedureDescription,
        "priority": item.RequestedProcedurePriority,
        "modality": step.Modality,
        "station": step.ScheduledStationAETitle,
        "at": step.ScheduledProcedureStepStartDate + step.ScheduledProcedureStepStartTime[:4],
    }


@pytest.mark.parametrize("control", ["XO", "XX"])
def test_the_worklist_shows_the_change(hospital: Hospital, control: str) -> None:
    """The RIS is told (XO), and what is published is the changed order."""
    hospital.send(hospital.order("P1", changes=AT_TEN))
    before = shown(hospital)
    uid = hospital.item("P1").StudyInstanceUID
    assert (before["procedure"], before["modality"], before["at"]) == ("CT chest", "CT", "202611241000")

    hospital.advance(minutes=1)
    assert hospital.send(hospital.order("P1", control, changes=OTHERWISE)) == ["AA"]
    assert shown(hospital) == {
        "procedure": "MR head", "priority": "STAT", "modality": "MR", "station": "MR2", "at": "202611251430",
    }  # fmt: skip
    assert hospital.item("P1").StudyInstanceUID == uid
    assert [told.get("ORC-1") for told in hospital.told_ris()] == ["NW", "XO"]
    assert hospital.told_ris()[-1].get("OBR-4") == "MRHEAD"

    hospital.image()
    hospital.send(hospital.report())
    (request,) = hospital.fhir("ServiceRequest")
    assert (request["code"]["coding"][0]["code"], request["priority"]) == ("MRHEAD", "stat")
    (row,) = hospital.warehouse("orders").to_dict("records")
    assert (row["procedure_code"], row["modality"]) == ("MRHEAD", "MR")


def test_a_status_change_brings_the_fillers_numbers(hospital: Hospital) -> None:
    """SC of the RIS: its accession number and time are shown; what it does not say stays."""
    hospital.send(hospital.order("P1", changes=AT_TEN))
    status = {"ORC": {3: "F7^RIS", 5: "SC"}, "OBR": {3: "F7^RIS", 18: "ACC7", 27: "^^^20261124113000"}}
    assert hospital.send(hospital.order("P1", "SC", changes=status)) == ["AA"]
    assert hospital.item("P1").AccessionNumber == "ACC7"
    now = shown(hospital)
    assert (now["at"], now["procedure"], now["station"]) == ("202611241130", "CT chest", "CT1")
    hospital.image()
    hospital.send(hospital.report())
    (study,) = hospital.fhir("ImagingStudy")
    assert "ACC7" in {identifier["value"] for identifier in study["identifier"]}


def test_a_change_that_was_sent_earlier_and_comes_later_changes_nothing(hospital: Hospital) -> None:
    """MSH-7 tells which change is the last one."""
    hospital.send(hospital.order("P1", changes=AT_TEN))
    older = hospital.order("P1", "XO", changes={"OBR": {13: "older"}}, msh_7="20261124100500")
    newer = hospital.order("P1", "XO", changes={"OBR": {13: "newer"}}, msh_7="20261124100600")
    hospital.send(newer, older)
    assert hospital.row("P1").document["reason"] == "newer"

"""Case 13: SIU S12, S13, S14, S15, S26 on an order that exists."""

import pytest

from tests.cases.hospital import Hospital
from tests.hl7_builders import an_siu


def siu(hospital: Hospital, event: str, at: str = "", room: str = "ROOM 2") -> bytes:
    """An appointment of order P1, sent now by the RIS."""
    changes = {"AIS": {4: at}, "AIL": {3: f"RAD^{room}"}}
    sent = f"{hospital.local():%Y%m%d%H%M%S}"
    return an_siu(event, hospital.control_id(), changes=changes, msh_3="RIS", msh_7=sent)


def scheduled(hospital: Hospital) -> tuple[str, str, str]:
    step = hospital.item("P1").ScheduledProcedureStepSequence[0]
    at = f"{step.ScheduledProcedureStepStartDate} {step.ScheduledProcedureStepStartTime[:4]}"
    return at, str(step.get("ScheduledProcedureStepLocation", "")), str(step.ScheduledPerformingPhysicianName)


@pytest.mark.parametrize("event", ["S12", "S13", "S14"])
def test_booked_rescheduled_modified(hospital: Hospital, event: str) -> None:
    """The worklist shows time, place and who performs; the RIS of the order is told."""
    hospital.send(hospital.order("P1"))
    hospital.advance(minutes=1)
    assert hospital.send(siu(hospital, event, "20261126093000")) == ["AA"]
    at, place, who = scheduled(hospital)
    assert (at, place) == ("20261126 0930", "RAD ROOM 2")
    assert who.startswith("Moreau^Élise")
    assert [told.get("ORC-1") for told in hospital.told_ris()] == ["NW", "XO"]

    hospital.advance(minutes=1)
    hospital.send(siu(hospital, "S13", "20261127101500", "ROOM 3"))
    assert scheduled(hospital)[:2] == ("20261127 1015", "RAD ROOM 3")
    hospital.image("P1")
    hospital.send(hospital.report("P1"))
    (request,) = hospital.fhir("ServiceRequest")
    assert request["occurrenceDateTime"] == "2026-11-27T09:15:00Z"
    (row,) = hospital.warehouse("orders").to_dict("records")
    assert row["state"] == "published"


def test_the_appointment_is_cancelled(hospital: Hospital) -> None:
    """S15: the order stays, without a time; the worklist shows it on the day of its request."""
    hospital.send(hospital.order("P1"))
    hospital.send(siu(hospital, "S12", "20261126093000"))
    hospital.advance(minutes=1)
    hospital.send(siu(hospital, "S15"))
    assert hospital.state("P1") == "worklisted"
    assert hospital.row("P1").document["steps"][0]["start"] is None
    step = hospital.item("P1").ScheduledProcedureStepSequence[0]
    assert step.ScheduledProcedureStepStartDate == f"{hospital.local():%Y%m%d}"


def test_the_patient_did_not_come(hospital: Hospital) -> None:
    """S26: everything stays, and a person is asked for until anything else becomes of the order."""
    hospital.send(hospital.order("P1"))
    hospital.send(siu(hospital, "S12", "20261124093000"))
    hospital.advance(hours=3)
    hospital.send(siu(hospital, "S26"))
    assert (hospital.state("P1"), len(hospital.items("P1"))) == ("worklisted", 1)
    assert "did not come" in hospital.row("P1").trouble
    hospital.advance(minutes=1)
    hospital.send(siu(hospital, "S13", "20261127101500"))
    assert hospital.row("P1").trouble == ""
    assert scheduled(hospital)[0] == "20261127 1015"


def test_an_appointment_that_comes_before_its_order(hospital: Hospital) -> None:
    """It waits, and schedules the order when that is placed."""
    hospital.send(siu(hospital, "S12", "20261126093000"))
    assert hospital.inbox()[-1].state == "waiting"
    hospital.send(hospital.order("P1"))
    assert scheduled(hospital)[0] == "20261126 0930"


def test_an_appointment_that_comes_too_late(hospital: Hospital) -> None:
    """The examination has taken place: nothing changes, the message says why."""
    hospital.publish("P1")
    hospital.send(siu(hospital, "S13", "20261127101500"))
    assert hospital.state("P1") == "published"
    assert "no longer changed" in hospital.inbox()[-1].reason
    assert len(hospital.results()) == 1

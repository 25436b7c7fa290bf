"""Case 9: CA, DC, HD, RL, RP; before the examination begins, and afterwards."""

from typing import Any

import pytest

from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital
from tests.hl7_builders import segment


def controls(messages: list[Any]) -> list[str]:
    """ORC-1 of the order messages among these."""
    return [message.get("ORC-1") for message in messages if message.get("MSH-9.1") == "ORM"]


@pytest.fixture
def hospital(a_hospital: AHospital) -> Hospital:
    """One that refuses late cancellations, as by default."""
    return with_rule(a_hospital, "refuse")


def with_rule(a_hospital: AHospital, rule: str) -> Hospital:
    return a_hospital(orders={"cancel_after_start": rule})


@pytest.mark.parametrize("control", ["CA", "DC"])
def test_cancelled_before_start(hospital: Hospital, control: str) -> None:
    """Gone from the worklist, cancelled everywhere; a second time says nothing new."""
    hospital.send(hospital.order("P1"))
    assert hospital.send(hospital.order("P1", control)) == ["AA"]
    assert (hospital.state("P1"), hospital.items("P1")) == ("cancelled", [])
    assert controls(hospital.told_ris()) == ["NW", "CA"]
    hospital.send(hospital.order("P1", control))
    assert hospital.events("P1").count("order-cancelled") == 1
    assert controls(hospital.told_ris()) == ["NW", "CA"]
    assert list(hospital.warehouse("orders")["state"]) == ["cancelled"]


def test_cancelled_after_a_preliminary_report_was_published(a_hospital: AHospital) -> None:
    """Where the site discontinues, what was published is taken back at the FHIR server."""
    hospital = with_rule(a_hospital, "discontinue")
    hospital.send(hospital.order("P1"))
    hospital.image()
    hospital.send(hospital.report("P1", "P"))
    (report,) = hospital.fhir("DiagnosticReport")
    assert report["status"] == "preliminary"
    hospital.advance(minutes=1)
    hospital.send(hospital.order("P1", "CA"))
    assert hospital.state("P1") == "cancelled"
    assert hospital.events("P1")[-1] == "order-discontinued"
    (request,) = hospital.fhir("ServiceRequest")
    assert request["status"] == "revoked"
    (report,) = hospital.fhir("DiagnosticReport")
    assert report["status"] in ("cancelled", "entered-in-error")
    assert controls(hospital.told_ris())[-1] == "DC"


@pytest.mark.parametrize(("control", "answer"), [("CA", "UC"), ("DC", "UD"), ("HD", "UH")])
def test_refused_after_images_exist(hospital: Hospital, control: str, answer: str) -> None:
    """The placer is told so, once; the message is kept with the reason; the order goes on."""
    hospital.send(hospital.order("P1"))
    hospital.image()
    late = hospital.order("P1", control)
    assert hospital.send(late) == ["AA"]
    assert hospital.state("P1") == "acquired"
    kept = hospital.inbox()[-1]
    assert kept.state == "quarantined"
    assert kept.reason.endswith(f"an order that is acquired; its placer is told so ({answer})")
    told = hospital.told_ris()[-1]
    assert (told.get("ORC-1"), told.get("ORC-2"), told.get("ORC-5")) == (answer, "P1", "IP")
    hospital.send(late)
    assert controls(hospital.told_ris()).count(answer) == 1
    hospital.send(hospital.report("P1"))
    assert hospital.state("P1") == "published"


def test_one_of_two_orders_refuses(hospital: Hospital) -> None:
    """The other one of the same message is cancelled all the same."""
    hospital.send(hospital.order("P1"), hospital.order("P2"))
    hospital.begin(hospital.item("P1"))
    lines = [segment("PID", {3: "4711^^^HOSP"})]
    lines += [segment("ORC", {1: "CA", 2: f"{number}^EHR"}) for number in ("P1", "P2")]
    hospital.send(hospital.message("ORM^O01^ORM_O01", *lines))
    assert (hospital.state("P1"), hospital.state("P2")) == ("started", "cancelled")
    assert sorted(controls(hospital.told_ris())[-2:]) == ["CA", "UC"]


def test_discontinued_after_start_where_the_site_says_so(a_hospital: AHospital) -> None:
    """The modality has begun: the order ends, and its receivers are told DC."""
    hospital = with_rule(a_hospital, "discontinue")
    hospital.send(hospital.order("P1"))
    hospital.begin(hospital.item("P1"))
    hospital.send(hospital.order("P1", "CA"))
    assert (hospital.state("P1"), hospital.items("P1")) == ("cancelled", [])
    assert controls(hospital.told_ris())[-1] == "DC"
    assert hospital.inbox()[-1].state == "processed"


def test_a_published_order_is_not_cancelled_whatever_the_site_says(a_hospital: AHospital) -> None:
    """A result that receivers have can only be withdrawn."""
    hospital = with_rule(a_hospital, "discontinue")
    hospital.publish("P1")
    hospital.send(hospital.order("P1", "CA"))
    assert hospital.state("P1") == "published"
    assert controls(hospital.told_ris())[-1] == "UC"


def test_held_and_released(hospital: Hospital) -> None:
    """Off the worklist and kept; then on it again, as it was changed meanwhile."""
    hospital.send(hospital.order("P1"))
    hospital.send(hospital.order("P1", "HD"))
    assert (hospital.state("P1"), hospital.items("P1")) == ("held", [])
    hospital.send(hospital.order("P1", "XO", changes={"OBR": {24: "MR"}}))
    assert (hospital.state("P1"), hospital.items("P1")) == ("held", [])
    hospital.send(hospital.order("P1", "RL"))
    assert hospital.state("P1") == "worklisted"
    assert hospital.item("P1").ScheduledProcedureStepSequence[0].Modality == "MR"
    assert controls(hospital.told_ris())[:2] == ["NW", "HD"]
    hospital.image("P1")
    hospital.send(hospital.report("P1"))
    (request,) = hospital.fhir("ServiceRequest")
    assert request["status"] == "completed"
    assert list(hospital.warehouse("orders")["state"]) == ["published"]
    assert {"order-held", "order-released"} <= set(hospital.warehouse("events")["event"])


def test_replaced(hospital: Hospital) -> None:
    """RP with RO: the new order is on the worklist in the place of the old one."""
    hospital.send(hospital.order("P1"))
    lines = [segment("PID", {3: "4711^^^HOSP", 5: "Müller^Åse"})]
    for code, number in (("RP", "P1"), ("RO", "P2")):
        lines.append(segment("ORC", {1: code, 2: f"{number}^EHR"}))
        lines.append(segment("OBR", {2: f"{number}^EHR", 4: "MRHEAD^MR head^L", 24: "MR"}))
    assert hospital.send(hospital.message("ORM^O01^ORM_O01", *lines)) == ["AA"]
    assert (hospital.state("P1"), hospital.items("P1")) == ("cancelled", [])
    assert hospital.item("P2").RequestedProcedureDescription == "MR head"
    hospital.image("P2")
    hospital.send(hospital.report("P2"))
    (request,) = hospital.fhir("ServiceRequest")
    assert request["code"]["text"] == "MR head"
    states = hospital.warehouse("orders").set_index("placer_order_number")["state"]
    assert states.to_dict() == {"P1": "cancelled", "P2": "published"}


def test_a_replacement_of_what_has_begun_is_refused(hospital: Hospital) -> None:
    """Neither is the old one cancelled, nor the new one placed: the placer is told UM."""
    hospital.send(hospital.order("P1"))
    hospital.begin(hospital.item("P1"))
    lines = [segment("PID", {3: "4711^^^HOSP", 5: "Müller^Åse"})]
    for code, number in (("RP", "P1"), ("RO", "P2")):
        lines.append(segment("ORC", {1: code, 2: f"{number}^EHR"}))
        lines.append(segment("OBR", {2: f"{number}^EHR", 4: "MRHEAD^MR head^L", 24: "MR"}))
    hospital.send(hospital.message("ORM^O01^ORM_O01", *lines))
    assert [row.placer_order_number for row in hospital.rows()] == ["P1"]
    assert hospital.state("P1") == "started"
    assert controls(hospital.told_ris())[-1] == "UM"

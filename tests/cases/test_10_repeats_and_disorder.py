"""Case 10: repeats, replays, what comes too early, unknown numbers, lost ACKs and re-used control ids."""

from itertools import permutations
from typing import Any

import pytest

from radflow.store import replays
from tests.cases.hospital import Hospital
from tests.hl7_builders import an_orm, order_named


def as_it_is(hospital: Hospital) -> dict[str, Any]:
    """Orders, worklist, what receivers have, and FHIR versions."""
    return {
        "orders": [(row.key, row.state, row.document, row.revision) for row in hospital.rows()],
        "worklist": [item.to_json() for item in hospital.worklist()],
        "sent": (list(hospital.ehr.messages), list(hospital.ris.messages)),
        "fhir": {
            kind: [(one["id"], one["meta"]["versionId"]) for one in hospital.fhir(kind)]
            for kind in ("ServiceRequest", "ImagingStudy", "DiagnosticReport", "Patient")
        },
    }


def test_the_same_order_twice(hospital: Hospital) -> None:
    """The same NW under another MSH-10: one order, one worklist item, told once."""
    hospital.send(hospital.order("P1"))
    before = as_it_is(hospital)
    assert hospital.send(hospital.order("P1")) == ["AA"]
    assert as_it_is(hospital) == before


def test_a_day_replayed_changes_nothing(hospital: Hospital) -> None:
    """Every message once more: a published, a changed, a cancelled order, one that waits, and a merge."""
    hospital.publish("P1")
    hospital.publish("P4", {"PID": {3: "T99^^^HOSP^MR", 5: "Retired^Ruth"}})
    merge = {"PID": {3: "4711^^^HOSP^MR"}, "MRG": {1: "T99^^^HOSP^MR"}}
    hospital.send(hospital.adt("A08", {"PID": {5: "Moreau^Åse"}}), hospital.adt("A40", merge))
    hospital.send(hospital.order("P2"))
    hospital.advance(minutes=1)
    hospital.send(hospital.order("P2", "XO", changes={"OBR": {13: "changed"}}), hospital.order("P3"))
    hospital.advance(minutes=1)
    hospital.send(hospital.order("P3", "CA"), hospital.report("P9"), hospital.adt("A08"))
    before = as_it_is(hospital)
    hospital.advance(minutes=1)
    with hospital.store.write() as session:
        assert replays.requeue(session, range(1, 100)) == len(hospital.inbox())
    hospital.settle()
    assert as_it_is(hospital) == before


def test_a_cancellation_before_its_order(hospital: Hospital) -> None:
    """CA waits, and cancels the order as soon as that is placed; nobody is told of either."""
    sent = [hospital.order("P1", msh_7="20261124080000"), hospital.order("P1", "CA", msh_7="20261124080100")]
    assert hospital.send(sent[1]) == ["AA"]
    assert hospital.inbox()[-1].state == "waiting"
    assert hospital.send(sent[0]) == ["AA"]
    assert (hospital.state("P1"), hospital.items("P1")) == ("cancelled", [])
    assert [message.state for message in hospital.inbox()] == ["processed", "processed"]


def test_a_change_before_its_order(hospital: Hospital) -> None:
    """XO places the order; the NW adds what the XO has not said, and takes nothing back."""
    placed = hospital.order("P1", changes={"OBR": {13: "pain", 24: "CT"}}, msh_7="20261124080000")
    changed = hospital.order("P1", "XO", changes={"OBR": {24: "MR"}}, msh_7="20261124080100")
    hospital.send(changed, placed)
    order = hospital.row("P1").document
    assert (order["reason"], order["steps"][0]["modality"]) == ("pain", "MR")
    assert hospital.item("P1").ScheduledProcedureStepSequence[0].Modality == "MR"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_hold_and_its_release_in_any_order(hospital: Hospital, order: tuple[int, ...]) -> None:
    """In the end it is on the worklist."""
    said = [
        hospital.order("P1", control, msh_7=f"2026112408000{n}")
        for n, control in enumerate(("NW", "HD", "RL"))
    ]
    for number in order:
        hospital.send(said[number])
    assert (hospital.state("P1"), len(hospital.items("P1"))) == ("worklisted", 1)


def test_an_unknown_order_number(hospital: Hospital) -> None:
    """CA, report and status of an order that nobody knows are kept, and make no order."""
    said = [hospital.order("P9", "CA"), hospital.order("P9", "SC"), hospital.report("P9")]
    assert hospital.send(*said) == ["AA"] * 3
    assert [message.state for message in hospital.inbox()] == ["waiting"] * 3
    assert (hospital.rows(), hospital.worklist()) == ([], [])


def test_a_lost_ack(hospital: Hospital) -> None:
    """The sender sends the same bytes again: answered AA, one message, one order."""
    order = hospital.order("P1")
    assert hospital.send(order) == ["AA"]
    before = as_it_is(hospital)
    assert hospital.send(order) == ["AA"]
    (message,) = hospital.inbox()
    assert message.copies == 2
    assert as_it_is(hospital) == before


def test_a_reused_control_id(hospital: Hospital) -> None:
    """Other bytes under the MSH-10 of another message: refused and kept, the order stays as it was."""
    hospital.send(hospital.order("P1"))
    used = hospital.inbox()[0].control_id
    reused = an_orm(used, changes=order_named("P2"))
    assert hospital.send(reused) == ["AE"]
    assert hospital.inbox()[-1].state == "quarantined"
    assert [row.placer_order_number for row in hospital.rows()] == ["P1"]

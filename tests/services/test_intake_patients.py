"""ADT: patients and their orders, as messages of a registration tell of them."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import select

from radflow.order import Event, State
from radflow.settings import Site
from radflow.settings.rules import Enrichment
from radflow.store import messages, orders
from radflow.store.engine import Store
from radflow.store.messages import LinkKind
from radflow.store.tables import PatientIdentifier, PatientRow
from tests.hl7_builders import an_orm, order_named
from tests.inbox import (
    an_adt,
    as_told,
    became,
    events,
    happened,
    log_of,
    receive,
    replay,
    states,
    the_order,
    the_orders,
)

MUELLER = {3: "4711^^^HOSP", 5: "Müller^Åse"}
SCHMIDT = {3: "4711^^^HOSP", 5: "Schmidt^Åse", 7: "19700101", 8: "F"}
TO_PUBLISHED = (Event.WORKLISTED, Event.STUDY_FOUND, Event.REPORT_RECEIVED, Event.PUBLISHED)


def survivors(store: Store) -> list[PatientRow]:
    with store.read() as session:
        query = select(PatientRow).where(PatientRow.merged_into == None)  # noqa: E711
        return list(session.exec(query))


def an_order_of(number: str, patient: str, control_id: str = "", **pid: str) -> bytes:
    changes = order_named(number) | {"PID": {3: patient, 5: pid.get("name", "")}}
    return an_orm(control_id or f"M{number}", changes=changes)


@pytest.mark.parametrize("event", ["A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A28", "A31"])
def test_demographics_before_the_order(store: Store, now: datetime, event: str) -> None:
    """An order that says less of its patient than ADT did shows what ADT said."""
    adt = an_adt(event, "A1", SCHMIDT)
    assert states(store, now, adt, an_order_of("P1", "4711^^^HOSP")) == ["processed"] * 2
    patient = as_told(the_order(store)).patient
    assert (patient.name.family, f"{patient.birth_date}", patient.sex) == ("Schmidt", "1970-01-01", "F")


@pytest.mark.parametrize(
    ("until", "becomes", "wakes"),
    [
        ((), State.RECEIVED, True),
        ((Event.WORKLISTED,), State.RECEIVED, True),
        ((Event.ORDER_HELD,), State.HELD, False),
        ((Event.STUDY_FOUND,), State.ACQUIRED, False),
        ((Event.REPORT_RECEIVED,), State.REPORTED_WITHOUT_IMAGES, False),
        (TO_PUBLISHED[:3], State.REPORTED, True),
        (TO_PUBLISHED, State.REPORTED, True),
    ],
)
def test_demographics_during_and_after_the_order(
    store: Store, now: datetime, until: tuple[Event, ...], becomes: State, wakes: bool
) -> None:
    """Worklist and published result are made anew; an order that has nothing to do sleeps on."""
    receive(store, now, an_orm())
    happened(store, now, *until)
    later = now + timedelta(hours=1)
    with store.write() as session:
        orders.look(session, the_order(store).key, leg="l", now=now, lease=timedelta(minutes=1))
        revision = the_order(store).revision
        orders.rest(session, the_order(store).key, leg="l", revision=revision, now=now)
    receive(store, later, an_adt("A08", "A1", SCHMIDT))
    row = the_order(store)
    assert (row.state, row.wake_at == later) == (becomes, wakes)
    assert as_told(row).patient.name.family == "Schmidt"
    assert events(store)[-1] == Event.PATIENT_CHANGED


def test_what_changes_nothing_that_is_shown_has_no_event(store: Store, now: datetime) -> None:
    """A storm of the same ADT, and a new address after publication, wake nobody."""
    receive(store, now, an_adt("A28", "A0", SCHMIDT), an_orm(changes={"PID": SCHMIDT}))
    happened(store, now, *TO_PUBLISHED)
    moved = SCHMIDT | {11: "Hauptstr. 1^^Berlin^^10115"}
    receive(store, now, *(an_adt("A08", f"A{n}", SCHMIDT) for n in range(1, 9)), an_adt("A08", "A9", moved))
    assert the_order(store).state == State.PUBLISHED
    assert Event.PATIENT_CHANGED not in events(store)
    (patient,) = survivors(store)
    assert patient.document["addresses"][0]["city"] == "Berlin"


def test_a_new_address_is_noted_in_an_open_order(store: Store, now: datetime) -> None:
    """So that it is published with the result, without an event."""
    receive(store, now, an_orm(), an_adt("A08", "A1", MUELLER | {11: "Hauptstr. 1^^Berlin^^10115"}))
    assert as_told(the_order(store)).patient.addresses[0].city == "Berlin"
    assert events(store) == [Event.ORDER_RECEIVED]


def test_empty_keeps_and_null_deletes(store: Store, now: datetime) -> None:
    """v2.5.1 §2.5.3."""
    receive(store, now, an_adt("A28", "A1", SCHMIDT), an_orm(changes={"PID": {3: "4711^^^HOSP", 5: ""}}))
    receive(store, now, an_adt("A08", "A2", {3: "4711^^^HOSP", 7: '""', 8: ""}))
    patient = as_told(the_order(store)).patient
    assert (patient.name.family, patient.birth_date, patient.sex) == ("Schmidt", None, "F")


@pytest.mark.parametrize("event", ["A11", "A13"])
def test_a_visit_that_is_taken_back_leaves_patient_and_orders_alone(
    store: Store, now: datetime, event: str
) -> None:
    """Cancelled admission, cancelled discharge."""
    assert states(store, now, an_orm(), an_adt(event, "A1", SCHMIDT)) == ["processed"] * 2
    assert events(store) == [Event.ORDER_RECEIVED]
    assert as_told(the_order(store)).patient.name.family == "Müller"


def test_one_number_of_two_authorities_is_two_patients(store: Store, now: datetime) -> None:
    """News of one do not reach the other's order."""
    receive(store, now, an_order_of("P1", "1^^^A", name="Eins"), an_order_of("P2", "1^^^B", name="Zwei"))
    receive(store, now, an_adt("A08", "A1", {3: "1^^^B", 5: "Drei"}))
    assert [as_told(row).patient.name.family for row in the_orders(store)] == ["Eins", "Drei"]


def test_a_patient_is_found_by_another_of_their_identifiers(store: Store, now: datetime) -> None:
    """And two who share an insurance number are two."""
    receive(store, now, an_adt("A28", "A1", {3: "1^^^HOSP^MR~X^^^INS^SS", 5: "Eins"}))
    receive(store, now, an_adt("A08", "A2", {3: "77^^^CLINIC^MR~X^^^INS^SS", 8: "M"}))
    assert len(survivors(store)) == 1
    receive(store, now, an_adt("A28", "A3", {3: "2^^^HOSP^MR~X^^^INS^SS", 5: "Zwei"}))
    assert [row.document["name"]["family"] for row in survivors(store)] == ["Eins", "Zwei"]


def test_an_older_message_changes_nothing_when_replayed(store: Store, now: datetime) -> None:
    """Neither the patient nor the order falls back; the same for the order's own message."""
    receive(store, now, an_orm(), an_adt("A08", "A1", SCHMIDT), an_adt("A08", "A2", SCHMIDT | {5: "Roth"}))
    before = log_of(store, the_order(store))
    for message_id in (2, 1, 3):
        replay(store, now, message_id)
    assert as_told(the_order(store)).patient.name.family == "Roth"
    assert survivors(store)[0].document["name"]["family"] == "Roth"
    assert log_of(store, the_order(store)) == before


def test_a_site_whose_orders_speak_for_themselves(store: Store, now: datetime) -> None:
    """`enrichment.patient = "order"`: ADT is kept, and shown by no order."""
    sites = {"main": Site(name="main", enrichment=Enrichment(patient="order"))}
    receive(store, now, an_adt("A28", "A1", SCHMIDT), an_orm(), an_adt("A08", "A2", SCHMIDT), sites=sites)
    assert as_told(the_order(store)).patient.name.family == "Müller"
    assert events(store) == [Event.ORDER_RECEIVED]


def test_messages_are_found_by_their_patients(store: Store, now: datetime) -> None:
    """PID-3.1 and MRG-1.1, and the orders that were changed; also of a message in quarantine."""
    broken = an_adt("A08", "A2", MUELLER | {7: "someday"})
    receive(store, now, an_orm(), an_adt("A40", "A1", {3: "1^^^HOSP~2^^^X"}, merged="4711^^^HOSP"), broken)
    with store.read() as session:
        named = messages.links_of(session, [1, 2, 3], LinkKind.PATIENT)
        linked = messages.links_of(session, [1, 2, 3], LinkKind.ORDER)
    assert named == {1: ["4711"], 2: ["1", "2", "4711"], 3: ["4711"]}
    assert linked == {1: [the_order(store).key], 2: [the_order(store).key]}
    assert became(store)[2][0] == "quarantined"


@pytest.mark.parametrize("event", ["A18", "A34", "A40"])
@pytest.mark.parametrize(
    ("until", "becomes"),
    [
        ((Event.WORKLISTED,), State.RECEIVED),
        ((Event.STUDY_FOUND,), State.ACQUIRED),
        (TO_PUBLISHED, State.REPORTED),
        ((Event.ORDER_CANCELLED,), State.CANCELLED),
    ],
)
def test_a_merge_moves_the_orders(
    store: Store, now: datetime, event: str, until: tuple[Event, ...], becomes: State
) -> None:
    """Before acquisition, before the report, after publishing; a cancelled order stays cancelled."""
    receive(store, now, an_adt("A28", "A1", {3: "1^^^HOSP", 5: "Schmidt"}), an_orm())
    happened(store, now, *until)
    receive(store, now, an_adt(event, "A2", {3: "1^^^HOSP", 5: "Schmidt"}, merged="4711^^^HOSP"))
    row = the_order(store)
    (survivor,) = survivors(store)
    assert (row.state, row.patient_id) == (becomes, survivor.id)
    patient = as_told(row).patient
    assert ([one.value for one in patient.identifiers], patient.name.family) == (["1"], "Schmidt")
    assert events(store)[-1] == Event.PATIENT_MERGED


def test_a_chain_of_merges_and_a_late_order(store: Store, now: datetime) -> None:
    """A into B, B into C: an order under A's number is C's, and does not rename C."""
    receive(store, now, an_order_of("P1", "A^^^H", name="Anonym"), an_order_of("P2", "B^^^H", name="B"))
    receive(
        store,
        now,
        an_adt("A40", "A1", {3: "B^^^H"}, merged="A^^^H"),
        an_adt("A40", "A2", {3: "C^^^H", 5: "Schmidt"}, merged="B^^^H"),
        an_order_of("P3", "A^^^H", name="Anonym"),
    )
    for row in the_orders(store):
        patient = as_told(row).patient
        assert ([one.value for one in patient.identifiers], patient.name.family) == (["C"], "Schmidt")
    assert len({row.patient_id for row in the_orders(store)}) == len(survivors(store)) == 1


def test_a_merge_of_unknown_patients_is_kept_for_later(store: Store, now: datetime) -> None:
    """The retired number finds the survivor when it comes; an unknown survivor has the other's orders."""
    receive(store, now, an_adt("A40", "A1", {3: "B^^^H", 5: "Schmidt"}, merged="A^^^H"))
    receive(store, now, an_order_of("P1", "A^^^H", name="Anonym"))
    receive(store, now, an_order_of("P2", "D^^^H", name="Roth"))
    receive(store, now, an_adt("A40", "A2", {3: "E^^^H"}, merged="D^^^H"))
    first, second = (as_told(row).patient for row in the_orders(store))
    assert ([one.value for one in first.identifiers], first.name.family) == (["B"], "Schmidt")
    assert ([one.value for one in second.identifiers], second.name.family) == (["E"], "Roth")


def test_a_merge_into_whom_was_merged_meanwhile(store: Store, now: datetime) -> None:
    """B into C is told first, then A into B: whatever is of A is of C, who stays as they are."""
    receive(store, now, an_adt("A40", "A1", {3: "C^^^HOSP^MR", 5: "Drei"}, merged="B^^^HOSP^MR"))
    receive(store, now, an_order_of("P1", "A^^^HOSP^MR", name="Eins"))
    receive(store, now, an_adt("A40", "A2", {3: "B^^^HOSP^MR", 5: "Zwei"}, merged="A^^^HOSP^MR"))
    patient = as_told(the_order(store)).patient
    assert ([one.value for one in patient.identifiers], patient.name.family) == (["C"], "Drei")
    assert len(survivors(store)) == 1


def test_identifiers_that_a_message_does_not_bear_are_kept(store: Store, now: datetime) -> None:
    """A change, and a merge, by the medical record number alone: the insurance number stays."""
    receive(store, now, an_adt("A28", "A1", {3: "1^^^HOSP^MR~X^^^INS^SS", 5: "Eins"}))
    change = an_adt("A08", "A2", {3: "1^^^HOSP^MR", 5: "Zwei"})
    merge = an_adt("A40", "A3", {3: "1^^^HOSP^MR"}, merged="2^^^HOSP^MR")
    assert states(store, now, change, merge) == ["processed"] * 3
    (patient,) = survivors(store)
    assert [one["value"] for one in patient.document["identifiers"]] == ["1", "X"]
    assert patient.document["name"]["family"] == "Zwei"


def test_a_merge_there_and_back_and_again(store: Store, now: datetime) -> None:
    """A into B, later B into A: one patient, by A's number. Replays of either change nothing."""
    receive(store, now, an_order_of("P1", "A^^^H", name="A"), an_adt("A28", "A0", {3: "B^^^H", 5: "B"}))
    there = an_adt("A40", "A1", {3: "B^^^H", 5: "B"}, merged="A^^^H")
    back = an_adt("A40", "A2", {3: "A^^^H", 5: "A"}, merged="B^^^H")
    receive(store, now, there, back)
    before = log_of(store, the_order(store))
    for message_id in (3, 4, 3):
        replay(store, now, message_id)
    assert [one.value for one in as_told(the_order(store)).patient.identifiers] == ["A"]
    assert log_of(store, the_order(store)) == before
    (survivor,) = survivors(store)
    with store.read() as session:
        named = session.exec(select(PatientIdentifier).order_by(PatientIdentifier.value)).all()
    assert [(one.value, one.patient_id, one.retired) for one in named] == [
        ("A", survivor.id, False), ("B", survivor.id, True),
    ]  # fmt: skip


def test_merged_with_oneself(store: Store, now: datetime) -> None:
    """The number stays in use."""
    assert states(store, now, an_orm(), an_adt("A40", "A1", MUELLER, merged="4711^^^HOSP"))[-1] == "processed"
    assert [one.value for one in as_told(the_order(store)).patient.identifiers] == ["4711"]


def test_a_change_of_identifier(store: Store, now: datetime) -> None:
    """A47: the same patient by another number, and the order with them."""
    receive(store, now, an_orm(), an_adt("A47", "A1", {3: "815^^^HOSP"}, merged="4711^^^HOSP"))
    patient = as_told(the_order(store)).patient
    assert ([one.value for one in patient.identifiers], patient.name.family) == (["815"], "Müller")
    assert len(survivors(store)) == 1
    assert events(store)[-1] == Event.PATIENT_MERGED


def test_an_unidentified_patient_is_imaged_first(store: Store, now: datetime) -> None:
    """Ordered and imaged under a temporary number, then identified: the order is the real patient's."""
    receive(store, now, an_order_of("P1", "TRAUMA1^^^HOSP", name="Unknown"))
    happened(store, now, Event.STUDY_FOUND)
    receive(store, now, an_adt("A28", "A1", SCHMIDT))
    receive(store, now, an_adt("A40", "A2", SCHMIDT, merged="TRAUMA1^^^HOSP"))
    assert as_told(the_order(store)).patient.name.family == "Schmidt"
    assert the_order(store).state == State.ACQUIRED

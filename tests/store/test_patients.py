"""Patients in the store, on both databases."""

from datetime import datetime

from sqlalchemy import event
from sqlmodel import select

from radflow.model import Identifier, Patient, PersonName
from radflow.store.engine import Store
from radflow.store.patients import Patients, Said, of_order
from radflow.store.standing import Sent
from radflow.store.tables import PatientIdentifier, PatientRow


def mrn(value: str, assigner: str = "HOSP") -> Identifier:
    return Identifier(value=value, assigner=assigner, type="MR")


def a_patient(*identifiers: Identifier, family: str = "Müller") -> Patient:
    return Patient(identifiers=identifiers, name=PersonName(family=family))


def told(
    store: Store, now: datetime, *patients: Patient, site: str = "main", told_by: Sent | None = None
) -> None:
    with store.write() as session:
        known = Patients(session, ((site, one) for patient in patients for one in patient.identifiers))
        for patient in patients:
            known.update(site, patient.identifiers, _as_it_is(patient), told_by=told_by, now=now)
        known.write()


def _as_it_is(patient: Patient) -> Said:
    return lambda _: patient


def families(store: Store) -> list[str]:
    with store.read() as session:
        rows = session.exec(select(PatientRow).order_by(PatientRow.id)).all()  # type: ignore[arg-type]
    return [row.document["name"]["family"] for row in rows]


def test_two_messages_of_a_group_meet_one_patient(store: Store, now: datetime) -> None:
    """The second finds what the first has not written yet."""
    told(store, now, a_patient(mrn("1"), family="Eins"), a_patient(mrn("1"), family="Zwei"))
    assert families(store) == ["Zwei"]


def test_sites_have_patients_of_their_own(store: Store, now: datetime) -> None:
    """The same number of the same assigner at another site is somebody else."""
    told(store, now, a_patient(mrn("1"), family="Eins"))
    told(store, now, a_patient(mrn("1"), family="Zwei"), site="north")
    assert families(store) == ["Eins", "Zwei"]


def test_identifiers_keep_their_places(store: Store, now: datetime) -> None:
    """Senders list them in orders of their own; the one that names the patient stays the first."""
    told(store, now, a_patient(mrn("1"), mrn("9", "SSA")))
    told(store, now, a_patient(mrn("9", "SSA"), mrn("7", "CLINIC"), mrn("1")))
    with store.read() as session:
        (row,) = session.exec(select(PatientRow)).all()
    assert [one["value"] for one in row.document["identifiers"]] == ["1", "9", "7"]


def test_what_is_known_of_many_is_asked_for_at_once(store: Store, now: datetime) -> None:
    """A group costs one question, however many patients it has."""
    statements: list[object] = []
    event.listen(store.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    told(store, now, *(a_patient(mrn(f"{number}")) for number in range(100)))
    assert len(families(store)) == 100
    assert len([statement for statement in statements if str(statement).startswith("SELECT")]) == 2


def test_all_identifiers_of_a_merged_patient_find_the_survivor(store: Store, now: datetime) -> None:
    """Also those that the message does not name; what is not retired is the survivor's own from now on."""
    told(store, now, a_patient(mrn("1"), mrn("X", "INS")), a_patient(mrn("2"), family="Schmidt"))
    with store.write() as session:
        known = Patients(session, [("main", mrn("1")), ("main", mrn("2"))])
        row, before = known.merge(
            "main", [mrn("2")], [mrn("1")], lambda one: one or a_patient(), told_by=Sent(5), now=now
        )
        known.write()
        assert (row.told_by, len(before)) == (5, 1)
    with store.read() as session:
        stored = session.exec(select(PatientIdentifier).order_by(PatientIdentifier.value)).all()
        survivor = Patients(session, [("main", mrn("X", "INS"))]).find("main", [mrn("X", "INS")])
    assert survivor is not None
    assert survivor.document["name"]["family"] == "Schmidt"
    assert {one.value: (one.patient_id, one.retired) for one in stored} == {
        "1": (survivor.id, True), "2": (survivor.id, False), "X": (survivor.id, False),
    }  # fmt: skip


def test_an_order_adds_what_adt_has_not_told(store: Store, now: datetime) -> None:
    """Newest wins, empty says nothing; an order older than the newest ADT adds nothing."""
    told(store, now, Patient(identifiers=(mrn("1"),), sex="F"), told_by=Sent(7))
    for told_by, family, shown in ((6, "Old", ""), (8, "New", "New"), (8, "", "New")):
        with store.write() as session:
            sent = a_patient(mrn("1"), family=family)
            _, patient = of_order(session, "main", sent, "merge", told_by=told_by, now=now)
            assert (patient.name.family, patient.sex) == (shown, "F")


def test_an_order_of_a_site_that_trusts_adt_alone(store: Store, now: datetime) -> None:
    """`adt`: what is known; `order`: what the order says. Neither changes a patient who is known."""
    told(store, now, a_patient(mrn("1"), family="Adt"))
    sent = a_patient(mrn("1"), family="Order")
    with store.write() as session:
        shown = [of_order(session, "main", sent, how, told_by=1, now=now)[1] for how in ("adt", "order")]
    assert [patient.name.family for patient in shown] == ["Adt", "Order"]
    assert families(store) == ["Adt"]

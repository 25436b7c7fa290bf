"""What a change does to an order that is known: what is empty stays, what is `""` goes, field by field."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mappings.hl7.orders import OrderMessage, read_orders
from mappings.hl7.reader import Hl7Message
from radflow.model import CodedConcept, Identifier, Order, Practitioner
from tests.hl7_builders import an_omi, an_orm, message, segment

EVERYTHING: Mapping[str, Mapping[int, str]] = {
    "PID": {3: "4711^^^HOSP", 5: "Müller^Åse", 7: "19610412", 8: "F", 11: "Street^^City"},
    "PV1": {2: "I", 8: "77^Fernández", 19: "V1"},
    "ORC": {1: "NW", 2: "P1^EHR", 3: "F1^RIS", 9: "20261124", 12: "42^Moreau"},
    "TQ1": {7: "20261125093000", 9: "S"},
    "OBR": {4: "CTCHEST^CT chest^L", 31: "R05^Cough", 34: "55&Okafor"},
    "IPC": {
        1: "ACC1", 2: "RP1", 3: "1.2.3", 4: "SPS1", 5: "CT", 6: "PROT^Protocol^L", 7: "STATION", 8: "ROOM",
        9: "CT1~CT2",
    },
}  # fmt: skip


def read(raw: bytes) -> OrderMessage:
    (one,) = read_orders(Hl7Message(raw), site="main", zone=ZoneInfo("UTC"), uid_root="2.25")
    return one


def omi(fields: Mapping[str, Mapping[int, str]]) -> OrderMessage:
    return read(message("OMI^O23", "M1", *(segment(name, values) for name, values in fields.items())))


KNOWN = omi(EVERYTHING).order
FIRST = KNOWN.steps[0]


def change(name: str, number: int, value: str) -> Order:
    """A change (XO) that bears nothing but its number, procedure and this field."""
    bare: dict[str, dict[int, str]] = {
        "PID": {3: "4711^^^HOSP"}, "PV1": {}, "ORC": {1: "XO", 2: "P1^EHR"}, "TQ1": {},
        "OBR": {4: "CTCHEST^CT chest^L"}, "IPC": {4: "SPS1"},
    }  # fmt: skip
    bare[name] = {**bare[name], number: value}
    return omi(bare).on_top_of(KNOWN)


def test_a_change_that_says_nothing_changes_nothing() -> None:
    """Every field is kept, of the order, its patient and its step."""
    assert change("OBR", 2, "P1^EHR") == KNOWN


FIELDS: list[tuple[str, int, dict[str, Any]]] = [
    ("PV1", 2, {"patient_class": ""}),
    ("PV1", 8, {"referring_physician": Practitioner()}),
    ("PV1", 19, {"visit_number": None}),
    ("ORC", 12, {"requesting_physician": Practitioner()}),
    ("OBR", 31, {"reason": "", "details": KNOWN.details.model_copy(update={"reasons": ()})}),
    ("TQ1", 9, {"priority": ""}),
    ("PID", 7, {"patient": KNOWN.patient.model_copy(update={"birth_date": None})}),
    ("PID", 8, {"patient": KNOWN.patient.model_copy(update={"sex": ""})}),
    ("PID", 11, {"patient": KNOWN.patient.model_copy(update={"addresses": ()})}),
    ("TQ1", 7, {"steps": (FIRST.model_copy(update={"start": None}),)}),
    ("OBR", 34, {"steps": (FIRST.model_copy(update={"performing_physician": Practitioner()}),)}),
    ("IPC", 6, {"steps": (FIRST.model_copy(update={"protocol": CodedConcept()}),)}),
    ("IPC", 7, {"steps": (FIRST.model_copy(update={"station_name": ""}),)}),
    ("IPC", 8, {"steps": (FIRST.model_copy(update={"location": ""}),)}),
    ("IPC", 9, {"steps": (FIRST.model_copy(update={"station_aet": ()}),)}),
]


@pytest.mark.parametrize(("name", "number", "gone"), FIELDS)
def test_null_deletes_this_field_and_no_other(name: str, number: int, gone: dict[str, Any]) -> None:
    """`""` in each field that can be without a value."""
    assert change(name, number, '""') == KNOWN.model_copy(update=gone)


@pytest.mark.parametrize(
    ("name", "number"), [("IPC", 1), ("IPC", 2), ("IPC", 3), ("IPC", 5), ("ORC", 3), ("ORC", 9)]
)
def test_what_an_order_cannot_be_without_is_not_deleted(name: str, number: int) -> None:
    """Numbers, modality, and when it was requested."""
    assert change(name, number, '""') == KNOWN


def test_a_procedure_is_not_deleted() -> None:
    """OBR-4 `""` of a message that needs no procedure."""
    status = read(message("ORM^O01", "M1", "PID|1||4711^^^HOSP", "ORC|SC|P1^EHR", 'OBR|1|P1^EHR||""'))
    assert status.on_top_of(KNOWN).procedure == KNOWN.procedure


def test_new_values() -> None:
    """Patient, procedure, priority, time and place of a change."""
    assert change("PID", 7, "19610413").patient.birth_date == date(1961, 4, 13)
    assert change("OBR", 4, "MR^MR^L").procedure.code == "MR"
    assert change("TQ1", 9, "R").priority == "ROUTINE"
    assert change("TQ1", 7, "20261126").steps[0].start == datetime(2026, 11, 26, tzinfo=UTC)
    assert change("IPC", 9, "CT3").steps[0].station_aet == ("CT3",)
    assert change("IPC", 5, "MR").steps[0].modality == "MR"


def test_a_number_without_its_assigner_is_the_same_number() -> None:
    """The RIS leaves out who assigned it; it stays known."""
    one = read(an_orm(changes={"ORC": {1: "SC", 2: "P1", 3: "F1"}, "OBR": {2: "P1"}}))
    assert one.on_top_of(KNOWN).placer_order_number == Identifier(value="P1", assigner="EHR")
    assert one.on_top_of(KNOWN).filler_order_number == Identifier(value="F1", assigner="RIS")


TWO_STEPS = an_omi(changes={"IPC": {4: "S1"}}) + b"IPC||||S2|MR|||ROOM 2\r"


def steps(order: Order) -> list[tuple[str, str, str]]:
    return [(step.step_id, step.modality, step.location) for step in order.steps]


def test_steps_that_are_named_are_all_there_are() -> None:
    """The second is no longer scheduled; the third is new."""
    known = read(TWO_STEPS).order
    assert steps(known) == [("S1", "CT", ""), ("S2", "MR", "ROOM 2")]
    now = read(an_omi(changes={"IPC": {4: "S2", 5: ""}}) + b"IPC||||S3|US\r").on_top_of(known)
    assert steps(now) == [("S2", "MR", "ROOM 2"), ("S3", "US", "")]


def test_a_change_that_names_no_step_drops_none() -> None:
    """The placer knows no steps: what it tells is the first's."""
    now = read(an_orm(changes={"ORC": {1: "XO"}, "OBR": {24: "PT"}})).on_top_of(read(TWO_STEPS).order)
    assert steps(now) == [("S1", "PT", ""), ("S2", "MR", "ROOM 2")]


def test_the_scheduler_gives_the_only_step_its_id() -> None:
    """It keeps what it has and is not a second step."""
    known = read(an_orm(changes={"OBR": {21: "CT1"}})).order
    (now,) = read(an_orm(changes={"ORC": {1: "XO"}, "OBR": {20: "SPS9"}})).on_top_of(known).steps
    assert (now.step_id, now.station_aet) == ("SPS9", ("CT1",))


def test_each_step_without_an_id_has_one_that_dicom_can_hold() -> None:
    """One for each IPC, stable under replay."""
    raw = an_omi() + b"IPC|||||MR\r" * 98
    ids = [step.step_id for step in read(raw).order.steps]
    assert len(set(ids)) == 99
    assert max(map(len, ids)) <= 16
    assert ids == [step.step_id for step in read(raw).order.steps]

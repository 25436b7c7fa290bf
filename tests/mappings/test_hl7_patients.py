"""ADT → patients: what the golden messages do not show."""

from zoneinfo import ZoneInfo

import pytest

from mappings.hl7.acceptance import judge
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.patients import PatientAction, PatientMessage, read_patients
from mappings.hl7.reader import Hl7Message
from radflow.model import Address, Identifier, Patient, PersonName, Telecom
from tests.hl7_builders import an_adt, message

KNOWN = Patient(
    identifiers=(
        Identifier(value="4711", assigner="HOSP", type="MR"),
        Identifier(value="0815", assigner="REGION", type="PI"),
    ),
    name=PersonName(family="Müller", given="Åse"),
    sex="F",
    addresses=(Address(city="München"),),
    home_telecoms=(Telecom(value="1"),),
    business_telecoms=(Telecom(value="2"),),
)


def read(raw: bytes) -> PatientMessage:
    (one,) = read_patients(Hl7Message(raw), zone=ZoneInfo("UTC"))
    return one


def told(pid: str) -> PatientMessage:
    return read(message("ADT^A08", "A1", pid))


def test_what_is_empty_stays_and_what_is_null_goes() -> None:
    """§2.5.3: an empty field says nothing, `""` says that there is no value, in every field."""
    now = told('PID|1||4711^^^HOSP^MR||Schmidt^Åse||||||""||555').on_top_of(KNOWN)
    assert now == KNOWN.model_copy(
        update={
            "name": PersonName(family="Schmidt", given="Åse"),
            "addresses": (),
            "home_telecoms": (Telecom(value="555"),),
        }
    )


def test_an_unknown_patient_is_as_told() -> None:
    """There is nothing to lay it over."""
    one = told('PID|1||4711^^^HOSP||""')
    assert one.on_top_of(None) == Patient(identifiers=(Identifier(value="4711", assigner="HOSP"),))


def test_an_identifier_of_another_assigner_stays() -> None:
    """PID-3 tells the hospital's number anew; the region's is not spoken of."""
    now = told("PID|1||4712^^^HOSP^MR").on_top_of(KNOWN)
    assert [each.value for each in now.identifiers] == ["4712", "0815"]


def test_a_replaced_identifier_goes() -> None:
    """A47: MRG-1 becomes PID-3, and the patient keeps the rest."""
    one = read(an_adt("A47", changes={"PID": {3: "5000^^^NEW"}, "MRG": {1: "4711^^^HOSP"}}))
    assert one.action is PatientAction.CHANGE_IDENTIFIER
    now = one.on_top_of(KNOWN)
    assert [(each.value, each.assigner) for each in now.identifiers] == [("5000", "NEW"), ("0815", "REGION")]
    assert now.addresses == KNOWN.addresses


@pytest.mark.parametrize("event", ["A18", "A34", "A40"])
def test_a_merge_names_who_is_retired(event: str) -> None:
    """MRG-1 with each of its identifiers; in v2.1 it is MRG-4."""
    one = read(an_adt(event, changes={"MRG": {1: "T1^^^HOSP~T2^^^REGION"}}))
    assert one.action is PatientAction.MERGE
    assert [each.value for each in one.prior] == ["T1", "T2"]
    older = read(an_adt(event, changes={"MRG": {1: "", 4: "T3"}}))
    assert [each.value for each in older.prior] == ["T3"]


@pytest.mark.parametrize("event", ["A11", "A12", "A13"])
def test_what_is_taken_back_is_a_visit(event: str) -> None:
    """Orders and patient stay."""
    assert read(an_adt(event)).action is PatientAction.NOTHING


def test_v2_1_names_the_event_in_evn() -> None:
    """MSH-9 is `ADT` alone."""
    raw = message("ADT", "A1", "EVN|A08|20261124", "PID|1||4711", msh_12="2.1")
    assert judge(raw).message_type == "ADT^A08"
    assert read(raw).event == "A08"


def test_when_it_happened() -> None:
    """EVN-6, or else EVN-2, or else MSH-7."""
    times = [
        read(an_adt(changes={"EVN": changes})).occurred_at
        for changes in ({2: "20261124075900", 6: "20261124070000"}, {}, {2: ""})
    ]
    assert [moment and moment.strftime("%H%M") for moment in times] == ["0700", "0759", "0800"]


@pytest.mark.parametrize(
    ("raw", "code", "location"),
    [
        (message("ADT^A08", "A1"), ErrorCode.SEGMENT_SEQUENCE_ERROR, "PID^1"),
        (an_adt("A40", changes={"MRG": {1: ""}}), ErrorCode.REQUIRED_FIELD_MISSING, "MRG^1^1"),
        (an_adt("A40", changes={"PID": {3: ""}}), ErrorCode.REQUIRED_FIELD_MISSING, "PID^1^3"),
        (an_adt("A09"), ErrorCode.UNSUPPORTED_EVENT_CODE, "MSH^1^9"),
    ],
)
def test_what_is_not_taken(raw: bytes, code: ErrorCode, location: str) -> None:
    """Before the ACK: no patient, a merge of nobody, an event that is none of ours."""
    refusal = judge(raw).refusal
    assert refusal is not None
    assert (refusal.code, refusal.location) == (code, location)


def test_a_patient_without_an_identifier_is_taken_and_then_named_as_such() -> None:
    """The feed does not stand still for it; the message is kept with its reason."""
    raw = message("ADT^A01", "A1", "PID|1||||Müller")
    assert judge(raw).refusal is None
    with pytest.raises(NotTakable, match="PID-3") as error:
        read(raw)
    assert "Müller" not in str(error.value)


def test_a_time_that_is_none() -> None:
    """Kept with its place, and without what it says."""
    with pytest.raises(NotTakable, match="PID-7 is not an HL7 time"):
        read(an_adt(changes={"PID": {7: "Müller"}}))

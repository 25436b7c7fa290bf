"""Order → ORM^O01, OMG^O19, OMI^O23, and back: a receiver learns what the order knows."""

import string
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hl7apy.parser import parse_message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mappings.hl7.acceptance import judge
from mappings.hl7.order_messages import Structure, order_message
from mappings.hl7.orders import read_orders
from mappings.hl7.reader import Hl7Message
from mappings.hl7.statuses import OrderStatus, control_of, status_of
from mappings.hl7.written_segments import Envelope
from radflow.model import (
    Address,
    CodedConcept,
    Identifier,
    Order,
    Patient,
    PersonName,
    Practitioner,
    ScheduledProcedureStep,
    Telecom,
)
from radflow.order import Event, State, order_key

BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
ENVELOPE = Envelope("C1", AT, BERLIN, ("RADFLOW", "RAD & co"), ("RIS", ""))
WANTED: list[tuple[Structure, str]] = [
    ("ORM^O01", "2.3.1"), ("ORM^O01", "2.5.1"), ("ORM^O01", "2.6"),
    ("OMG^O19", "2.4"), ("OMG^O19", "2.5.1"), ("OMG^O19", "2.8"),
    ("OMI^O23", "2.5"), ("OMI^O23", "2.5.1"), ("OMI^O23", "2.8"),
]  # fmt: skip
"""What receivers may want: each message in its first, its usual and its last version."""

TECHNOLOGIST = Practitioner(
    identifier=Identifier(value="T1", assigner="STAFF"), name=PersonName(family="Ngô", given="An")
)


def an_order_with_everything() -> Order:
    return Order(
        key=order_key("main", "EHR", "P1"),
        site="main",
        placer_order_number=Identifier(value="P1", assigner="EHR"),
        filler_order_number=Identifier(value="F1", assigner="RIS"),
        accession_number="ACC1",
        study_instance_uid="1.2.840.1",
        requested_procedure_id="RP1",
        procedure=CodedConcept(code="CT&1", display="CT of chest | abdomen", system="L"),
        reason="Cough ^ three\\weeks ~ fever",
        priority="STAT",
        patient=Patient(
            identifiers=(
                Identifier(value="4711", assigner="HOSP", type="MR"),
                Identifier(value="99", assigner="STATE", type="SS"),
            ),
            name=PersonName(family="Yamada", given="Tarou", ideographic="山田^太郎", phonetic="やまだ^た"),
            other_names=(PersonName(family="Suzuki", given="Tarou"),),
            mothers_maiden_name=PersonName(family="Sato"),
            birth_date=datetime(1961, 4, 12, tzinfo=UTC).date(),
            sex="M",
            addresses=(
                Address(street="1 & 2 Main", city="Kyōto", postal_code="600", country="JP", type="H"),
            ),
            home_telecoms=(Telecom(value="+81 75 123", use="PRN", equipment="PH"),),
            business_telecoms=(Telecom(value="456", use="WPN", equipment="PH"),),
            language=CodedConcept(code="ja", display="Japanese", system="ISO639"),
            marital_status=CodedConcept(code="M"),
            account_number=Identifier(value="ACCT", assigner="HOSP"),
            deceased=False,
            primary_care_physician=Practitioner(identifier=Identifier(value="G1", assigner="GP")),
        ),
        patient_class="O",
        visit_number=Identifier(value="V1", assigner="HOSP", type="VN"),
        requesting_physician=Practitioner(
            identifier=Identifier(value="42", assigner="STAFF"), name=PersonName(family="Moreau", given="É")
        ),
        referring_physician=Practitioner(name=PersonName(family="Fernández", ideographic="林^一")),
        requested_at=datetime(2026, 11, 23, 9, 0, tzinfo=UTC),
        steps=(
            ScheduledProcedureStep(
                step_id="S1", modality="CT", start=AT, station_aet=("CT1", "CT2"),
                protocol=CodedConcept(code="PR1", display="Thin slices", system="L"),
                performing_physician=TECHNOLOGIST,
            ),
            ScheduledProcedureStep(step_id="S2", modality="PT", performing_physician=TECHNOLOGIST),
        ),
    )  # fmt: skip


def written(order: Order, structure: Structure, version: str, control: str = "NW") -> bytes:
    return order_message(order, control, ENVELOPE, structure=structure, version=version)


def read(raw: bytes) -> Order:
    (one,) = read_orders(Hl7Message(raw), site="main", zone=BERLIN, uid_root="2.25")
    return one.order


@pytest.mark.parametrize(("structure", "version"), WANTED)
def test_what_is_sent_is_read_back_as_the_same_order(structure: Structure, version: str) -> None:
    """Everything that the order knows, in every message and version, and the listener takes it."""
    order = an_order_with_everything()
    raw = written(order, structure, version)
    assert judge(raw).ack_code == "AA"
    assert read(raw) == order


def test_an_omi_tells_station_and_location_too() -> None:
    """IPC-7 and IPC-8, for which ORM and OMG have no place; each step its own physician (OBR-34)."""
    first, second = an_order_with_everything().steps
    steps = (
        first.model_copy(update={"station_name": "Room 2", "location": "West wing"}),
        second.model_copy(update={"performing_physician": Practitioner(name=PersonName(family="Okafor"))}),
    )
    order = an_order_with_everything().model_copy(update={"steps": steps})
    assert read(written(order, "OMI^O23", "2.5.1")) == order


@pytest.mark.parametrize(
    ("structure", "version"), [("OMG^O19", "2.5.1"), ("OMI^O23", "2.5"), ("OMI^O23", "2.5.1")]
)
def test_hl7apy_finds_it_valid(structure: Structure, version: str) -> None:
    """The structure of the message, checked by another hand (of ORM it wants every choice at once)."""
    order = an_order_with_everything()
    # Two stations are more than the standard allows; DICOM has them, and IHE repeats the field.
    steps = tuple(step.model_copy(update={"station_aet": ("CT1",)}) for step in order.steps)
    raw = written(order.model_copy(update={"steps": steps}), structure, version)
    standard = "\r".join(line for line in raw.decode().split("\r") if line and not line.startswith("ZDS"))
    message = parse_message(standard, find_groups=True)
    assert message.version == version
    assert message.validate()


def test_the_header_says_who_speaks_to_whom() -> None:
    """MSH as the receiver files it."""
    message = Hl7Message(written(an_order_with_everything(), "OMI^O23", "2.5.1"))
    paths = (
        "MSH-3",
        "MSH-4",
        "MSH-5",
        "MSH-7",
        "MSH-9.1",
        "MSH-9.2",
        "MSH-9.3",
        "MSH-10",
        "MSH-12",
        "MSH-18",
    )
    assert [message.get(path) for path in paths] == [
        "RADFLOW", "RAD & co", "RIS", "20261124110000+0100", "OMI", "O23", "OMI_O23", "C1", "2.5.1",
        "UNICODE UTF-8",
    ]  # fmt: skip


def test_a_change_bears_the_time_of_the_change() -> None:
    """ORC-9 is the transaction's time; of a new order that of the request."""
    order = an_order_with_everything()
    changed = Hl7Message(written(order, "ORM^O01", "2.5.1", "XO"))
    assert (changed.get("ORC-1"), changed.get("ORC-9")) == ("XO", "20261124110000+0100")
    assert Hl7Message(written(order, "ORM^O01", "2.5.1")).get("ORC-9") == "20261123100000+0100"


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (State.WORKLISTED, ("SC", "S")),
        (State.ACQUIRED, ("IP", "I")),
        (State.PRELIMINARY, ("A", "P")),
        (State.REPORTED, ("CM", "F")),
        (State.CANCELLED, ("CA", "X")),
    ],
)
def test_the_status_of_an_order(state: State, told: tuple[str, str]) -> None:
    """HL7 tables 0038 and 0123, in every order group."""
    status = status_of(state)
    assert status == OrderStatus(*told)
    raw = order_message(
        an_order_with_everything(), "SC", ENVELOPE, structure="ORM^O01", version="2.3.1", status=status
    )
    for group in Hl7Message(raw).groups():
        assert (group.get("ORC-1"), group.get("ORC-5"), group.get("OBR-25")) == ("SC", *told)


def test_every_state_has_a_status() -> None:
    """A state that is added is told as well."""
    assert [state for state in State if status_of(state) is None] == []


_NEW, _CHANGED, _CANCELLED = Event.ORDER_RECEIVED, Event.ORDER_CHANGED, Event.ORDER_CANCELLED


@pytest.mark.parametrize(
    ("news", "told_before", "control"),
    [
        ([_NEW], False, "NW"),
        ([_NEW, _CHANGED], False, "NW"),
        ([_NEW, _CANCELLED], False, None),
        ([_CHANGED, Event.WORKLISTED], True, "XO"),
        ([_CHANGED, _CANCELLED], True, "CA"),
        ([Event.ORDER_HELD, _CHANGED], True, "HD"),
        ([Event.ORDER_HELD, Event.ORDER_RELEASED], True, "RL"),
        ([Event.STUDY_FOUND], True, None),
        ([], True, None),
    ],
)
def test_what_a_receiver_is_told_of_the_news(
    news: list[Event], told_before: bool, control: str | None
) -> None:
    """One message for all that has happened since; nothing of what never reached it."""
    assert control_of(news, told_before=told_before) == control


_word = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]),
    min_size=1, max_size=12,
).filter(lambda word: word == word.strip() and word != '""')  # fmt: skip
_number = st.text(string.ascii_letters + string.digits, min_size=1, max_size=16)
_identifiers = st.builds(Identifier, value=_word, assigner=_word)
_concepts = st.builds(CodedConcept, code=_number, display=_word, system=_number)
_names = st.builds(PersonName, family=_word, given=_word, middle=_word, prefix=_word, suffix=_word)
_times = st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1)).map(  # noqa: DTZ001 - the zone follows
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
_steps = st.lists(
    st.builds(
        ScheduledProcedureStep,
        step_id=_number,
        modality=st.sampled_from(["CT", "MR", "US", "OT"]),
        start=st.none() | _times,
        station_aet=st.lists(_number, max_size=2).map(tuple),
        protocol=_concepts,
    ),
    min_size=1, max_size=3, unique_by=lambda step: step.step_id,
).map(tuple)  # fmt: skip
_orders = st.builds(
    Order,
    key=st.just(""),
    site=st.just("main"),
    placer_order_number=_identifiers,
    filler_order_number=st.none() | _identifiers,
    accession_number=_number,
    study_instance_uid=st.integers(0, 2**120).map(lambda number: f"2.25.{number}"),
    requested_procedure_id=_number,
    procedure=_concepts,
    reason=st.just("") | _word,
    priority=st.sampled_from(["STAT", "HIGH", "ROUTINE", "LOW", ""]),
    patient=st.builds(
        Patient,
        identifiers=st.lists(_identifiers, min_size=1, max_size=3, unique_by=str).map(tuple),
        name=_names,
        birth_date=st.none() | st.dates(),
        sex=st.sampled_from(["F", "M", "O", "U", ""]),
    ),
    patient_class=st.sampled_from(["", "I", "O", "E"]),
    visit_number=st.none() | _identifiers,
    requesting_physician=st.builds(Practitioner, identifier=_identifiers, name=_names),
    referring_physician=st.builds(Practitioner, name=_names),
    requested_at=_times,
    steps=_steps,
).map(lambda order: order.model_copy(update={"key": _key(order)}))


def _key(order: Order) -> str:
    assert order.placer_order_number is not None
    return order_key("main", order.placer_order_number.assigner, order.placer_order_number.value)


@pytest.mark.parametrize(
    ("structure", "version"), [("ORM^O01", "2.3.1"), ("OMG^O19", "2.5.1"), ("OMI^O23", "2.5.1")]
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(order=_orders)
def test_whatever_an_order_knows_arrives(structure: Structure, version: str, order: Order) -> None:
    """Order → message → order gives the order."""
    assert read(written(order, structure, version)) == order

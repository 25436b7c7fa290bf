"""ORM^O01, OMG^O19, OMI^O23 → orders: what the golden messages do not show."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import pytest

from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.orders import OrderMessage, make_study_instance_uid, read_orders
from mappings.hl7.reader import Hl7Message
from radflow.model import Identifier
from radflow.order import order_key
from tests.hl7_builders import an_omi, an_orm

UTC_ZONE = ZoneInfo("UTC")


def read(raw: bytes) -> OrderMessage:
    (one,) = read_orders(Hl7Message(raw), site="main", zone=UTC_ZONE, uid_root="2.25")
    return one


def changed(changes: Mapping[str, Mapping[int, str]]) -> OrderMessage:
    return read(an_orm(changes=changes))


@pytest.mark.parametrize(
    ("changes", "code", "location"),
    [
        ({"PID": {3: ""}}, ErrorCode.REQUIRED_FIELD_MISSING, "PID^1^3"),
        ({"ORC": {2: ""}, "OBR": {2: ""}}, ErrorCode.REQUIRED_FIELD_MISSING, "ORC^1^2"),
        ({"ORC": {1: ""}}, ErrorCode.REQUIRED_FIELD_MISSING, "ORC^1^1"),
        ({"ORC": {1: "QQ"}}, ErrorCode.TABLE_VALUE_NOT_FOUND, "ORC^1^1"),
        ({"OBR": {4: ""}}, ErrorCode.REQUIRED_FIELD_MISSING, "OBR^1^4"),
        ({"ORC": {9: "soon"}}, ErrorCode.DATA_TYPE_ERROR, "ORC^1^9"),
        ({"OBR": {27: "^^^soon"}}, ErrorCode.DATA_TYPE_ERROR, "OBR^1^27"),
        ({"PID": {7: "Müller"}}, ErrorCode.DATA_TYPE_ERROR, "PID^1^7"),
    ],
)
def test_what_cannot_be_taken_names_code_and_place(
    changes: Mapping[str, Mapping[int, str]], code: ErrorCode, location: str
) -> None:
    """Answered AE, in words that quote nothing of the patient."""
    with pytest.raises(NotTakable) as error:
        changed(changes)
    assert (error.value.code, error.value.location, error.value.ack_code) == (code, location, "AE")
    assert "Müller" not in error.value.reason


def test_a_study_instance_uid_that_is_none() -> None:
    """ZDS-1 and IPC-3 have to be UIDs."""
    with pytest.raises(NotTakable, match="ZDS-1"):
        read(an_orm() + b"ZDS|1.2.three\r")
    with pytest.raises(NotTakable, match="IPC-3"):
        read(an_omi(changes={"IPC": {3: "1.2.three"}}))


def test_the_assigner_is_the_sender_where_the_number_names_none() -> None:
    """EI.2, or else MSH-3: the same order comes out."""
    assert changed({"ORC": {2: "P1"}, "OBR": {2: "P1"}}).order.key == order_key("main", "EHR", "P1")


def test_numbers_that_were_not_sent_are_made_and_stay_the_same() -> None:
    """A replay makes the same accession number, Study Instance UID and step."""
    first, again = read(an_orm("M1")), read(an_orm("M2"))
    assert first.order == again.order
    assert len(first.order.accession_number) <= 16
    assert first.made == {"accession_number", "study_instance_uid", "requested_procedure_id", "step_id"}


def test_a_number_that_dicom_cannot_hold_is_passed_over() -> None:
    """An accession number has 16 characters at most; a filler number may serve instead."""
    one = changed({"OBR": {3: "F1^RIS", 18: "X" * 17}})
    assert one.order.accession_number == "F1"


def test_an_accession_number_stays_when_a_filler_number_comes() -> None:
    """The modality has it already: only OBR-18 or IPC-1 give another."""
    known = changed({}).order
    now = changed({"ORC": {1: "XO", 3: "F1^RIS"}}).on_top_of(known)
    assert now.accession_number == known.accession_number
    assert now.filler_order_number == Identifier(value="F1", assigner="RIS")
    assert changed({"ORC": {1: "XO"}, "OBR": {18: "ACC9"}}).on_top_of(now).accession_number == "ACC9"


@pytest.mark.parametrize("root", ["2.25", "1.2.840.99999", "1.2.276.0.7230010.3.1.2.8323329.123456789.1"])
def test_a_uid_that_is_made_fits_dicom(root: str) -> None:
    """64 characters at most, no component with a leading zero."""
    uid = make_study_instance_uid(root, "main-abc")
    assert uid.startswith(f"{root}.")
    assert len(uid) <= 64
    assert not uid.removeprefix(f"{root}.").startswith("0")


def test_a_change_keeps_what_it_does_not_bear() -> None:
    """An XO without ZDS or OBR-18 must not give the study another name."""
    new = read(
        an_orm(changes={"ORC": {9: "20261124"}, "OBR": {3: "F1", 18: "ACC1", 20: "S7"}}) + b"ZDS|1.2.3\r"
    )
    change = changed({"ORC": {1: "XO", 9: "20261125"}, "OBR": {13: "now urgent"}})
    order = change.on_top_of(new.order)
    assert order == new.order.model_copy(update={"reason": "now urgent"})
    assert change.on_top_of(None) == change.order


def test_modality_is_other_where_none_is_sent() -> None:
    """Nothing is guessed from the procedure."""
    assert changed({"OBR": {24: ""}}).order.modality == "OT"


@pytest.mark.parametrize(
    ("changes", "priority"),
    [
        ({"OBR": {27: "^^^^^A"}, "ORC": {7: "^^^^^S"}}, "HIGH"),
        ({"ORC": {7: "^^^^^S"}}, "STAT"),
        ({"OBR": {5: "R"}}, "ROUTINE"),
        ({"OBR": {5: "whenever"}}, ""),
    ],
)
def test_priority(changes: Mapping[str, Mapping[int, str]], priority: str) -> None:
    """OBR-27, ORC-7, OBR-5, in this order."""
    assert changed(changes).order.priority == priority


def test_v2_5_has_timing_in_tq1() -> None:
    """TQ1-7 is the start, TQ1-9 the priority."""
    order = read(an_orm() + b"TQ1|||||||202611251000||S\r").order
    assert order.steps[0].start is not None
    assert (order.steps[0].start.hour, order.priority) == (10, "STAT")

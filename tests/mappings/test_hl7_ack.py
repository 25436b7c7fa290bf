"""Answers in the form the sender understands."""

from datetime import UTC, datetime

import pytest

from mappings.hl7.acceptance import judge
from mappings.hl7.ack import acknowledge
from mappings.hl7.reader import Hl7Message
from tests.hl7_builders import an_orm, an_oru, message

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def answer(raw: bytes) -> Hl7Message:
    verdict = judge(raw)
    return Hl7Message(
        acknowledge(verdict.message, verdict.refusal, control_id="ACK1", now=NOW, application="RADFLOW")
    )


def test_what_is_taken_is_answered_aa() -> None:
    """MSA-2 is MSH-10; sender and receiver change places."""
    ack = answer(an_orm("M1"))
    said = [
        ack.get(path) for path in ("MSA-1", "MSA-2", "MSH-3", "MSH-5", "MSH-6", "MSH-9", "MSH-9.3", "MSH-12")
    ]
    assert said == ["AA", "M1", "RADFLOW", "EHR", "HOSPITAL", "ACK", "ACK", "2.5.1"]
    assert not ack.has("ERR")


def test_an_error_since_v2_5() -> None:
    """Place, code and words each have a field of their own."""
    ack = answer(an_orm(changes={"PID": {3: ""}}))
    said = [ack.get(path) for path in ("MSA-1", "ERR-2.1", "ERR-2.3", "ERR-3", "ERR-3.2", "ERR-4", "ERR-8")]
    words = "PID-3 has no patient identifier."
    assert said == ["AE", "PID", "3", "101", "Required field missing", "E", words]


def test_an_error_before_v2_5() -> None:
    """All of it is in ERR-1, and the words are in MSA-3."""
    ack = answer(an_orm(changes={"PID": {3: ""}}, msh_12="2.3"))
    said = [ack.get(path) for path in ("MSA-1", "MSA-3", "ERR-1.1", "ERR-1.3", "ERR-1.4", "ERR-1.4.2")]
    assert said == ["AE", "PID-3 has no patient identifier.", "PID", "3", "101", "Required field missing"]


@pytest.mark.parametrize(
    ("raw", "ack_code", "error"),
    [
        (b"no HL7 at all", "AR", "100"),
        (message("DFT^P03", "M1"), "AR", "200"),
        (message("ORM^O02", "M1"), "AR", "201"),
        (an_orm(msh_12="1.0"), "AR", "203"),
        (an_orm(msh_12=""), "AR", "203"),
        (an_orm(""), "AR", "101"),
        (an_oru(changes={"OBR": {2: ""}}), "AE", "101"),
        (an_oru(changes={"OBR": {25: ""}, "OBX": {11: ""}}), "AE", "101"),
        (message("ORU^R01", "M1", "PID|1"), "AE", "100"),
        (message("ORM^O01", "M1", "PID|1||4711"), "AE", "100"),
    ],
)
def test_what_is_not_taken(raw: bytes, ack_code: str, error: str) -> None:
    """AR where the header is wrong, AE where the content is (HL7 tables 0008 and 0357)."""
    ack = answer(raw)
    assert (ack.get("MSA-1"), ack.get("ERR-3") or ack.get("ERR-1.4")) == (ack_code, error)


def test_the_senders_delimiters_and_character_set() -> None:
    """MSH-18 comes back, and what is echoed is written in it."""
    raw = "MSH#!@%*#Bücher%S%#FAC###20261124##ORM!O01#M1#P#2.5######8859/1\rPID#1\r".encode("iso8859_1")
    verdict = judge(raw)
    ack = acknowledge(verdict.message, verdict.refusal, control_id="A", now=NOW)
    assert ack.startswith(b"MSH#!@%*#")
    assert "Bücher%S%".encode("iso8859_1") in ack
    assert Hl7Message(ack).get("MSH-5") == "Bücher!"
    assert Hl7Message(ack).get("MSH-18") == "8859/1"


def test_what_is_echoed_cannot_break_the_frame() -> None:
    """Control characters of a broken header do not come back."""
    raw = b"MSH|^~\\&|A\x1c\x0bB|\x00||"
    verdict = judge(raw)
    ack = acknowledge(verdict.message, verdict.refusal, control_id="A", now=NOW)
    assert not {0x0B, 0x1C, 0x00} & set(ack)
    assert Hl7Message(ack).get("MSH-5") == "AB"

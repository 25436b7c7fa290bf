"""Which acknowledgments a message gets (HL7 tables 0008 and 0155), and each version's form of an error."""

from datetime import UTC, datetime

import pytest

from mappings.hl7.ack import acknowledge
from mappings.hl7.ack_modes import NOT_STORED, REUSED_CONTROL_ID, acknowledgments
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.http_charset import charset_of, in_its_own_set
from mappings.hl7.reader import Hl7Message
from tests.hl7_builders import an_orm

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
HEADER = NotTakable(ErrorCode.UNSUPPORTED_VERSION_ID, "MSH^1^12", "Not this version.")
CONTENT = NotTakable(ErrorCode.REQUIRED_FIELD_MISSING, "PID^1^3", "No patient.")


@pytest.mark.parametrize(
    ("refusal", "original", "both"),
    [
        (None, ["AA"], ["CA", "AA"]),
        (CONTENT, ["AE"], ["CA", "AE"]),
        (HEADER, ["AR"], ["CR"]),
        (NOT_STORED, ["AE"], ["CE"]),
        (REUSED_CONTROL_ID, ["AE"], ["CE"]),
    ],
)
def test_the_two_modes(refusal: NotTakable | None, original: list[str], both: list[str]) -> None:
    """What has not come to the application gets no application acknowledgment."""
    plain, enhanced = Hl7Message(an_orm()), Hl7Message(an_orm(msh_15="AL", msh_16="AL"))
    assert [one.code for one in acknowledgments(plain, refusal)] == original
    assert [one.code for one in acknowledgments(enhanced, refusal)] == both


def test_what_cannot_be_read_is_answered() -> None:
    """In original mode: nobody knows what the sender wanted."""
    assert [one.code for one in acknowledgments(None, HEADER)] == ["AR"]


def test_an_unknown_condition_means_always() -> None:
    """Rather one answer too many than a sender that waits."""
    assert [one.code for one in acknowledgments(Hl7Message(an_orm(msh_15="??")), None)] == ["CA"]


@pytest.mark.parametrize(
    ("version", "segments"),
    [
        ("2.1", ["MSA|AE|M1|No patient.", "ERR|101"]),
        ("2.2", ["MSA|AE|M1|No patient.", "ERR|PID^1^3^101&Required field missing&HL70357"]),
        ("2.4", ["MSA|AE|M1|No patient.", "ERR|PID^1^3^101&Required field missing&HL70357"]),
        ("2.5", ["MSA|AE|M1", "ERR||PID^1^3|101^Required field missing^HL70357|E||||No patient."]),
        ("2.8", ["MSA|AE|M1", "ERR||PID^1^3|101^Required field missing^HL70357|E||||No patient."]),
    ],
)
def test_an_error_in_each_version(version: str, segments: list[str]) -> None:
    """MSA-3 and ERR-1 before v2.5, then ERR-2, ERR-3, ERR-4 and ERR-8."""
    message = Hl7Message(an_orm("M1", msh_12=version))
    answer = acknowledge(message, CONTENT, control_id="A1", now=NOW).decode()
    assert answer.split("\r")[1:-1] == segments


@pytest.mark.parametrize(
    ("msh_18", "charset", "stays"),
    [
        ("", "utf-8", True),
        ("UNICODE UTF-8", "UTF8", True),
        ("8859/1", "latin-1", True),
        ("8859/1", "utf-8", False),
        ("", "iso-8859-1", False),
    ],
)
def test_the_character_set_of_the_transport(msh_18: str, charset: str, stays: bool) -> None:
    """The bytes are brought into the set of MSH-18 where the HTTP header says that they are in another."""
    sent = an_orm("M1", msh_18=msh_18).decode().encode(charset)
    kept = in_its_own_set(sent, charset)
    assert (kept == sent) == stays
    assert Hl7Message(kept).get("PID-5") == "Müller"


def test_a_header_that_is_not_true() -> None:
    """Bytes that are not in the header's set stay as they are: MSH-18 says what they are."""
    sent = an_orm("M1", msh_18="8859/1").decode().encode("iso8859_1")
    assert in_its_own_set(sent, "utf-8") == sent
    assert in_its_own_set(b"no HL7", "iso8859_1") == b"no HL7"
    with pytest.raises(LookupError):
        in_its_own_set(sent, "klingon")


def test_names_of_character_sets() -> None:
    """IANA's."""
    assert [charset_of(codec) for codec in ("utf_8", "iso8859_15", "iso2022_jp_ext")] == [
        "utf-8", "iso-8859-15", "iso-2022-jp",
    ]  # fmt: skip

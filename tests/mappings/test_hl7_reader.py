"""Reading HL7 v2 by path: delimiters, escapes, character sets, repetitions, groups."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.hl7.ack import escape
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.reader import Delimiters, Hl7Message, unescape
from tests.hl7_builders import message

PLAIN = Delimiters()


def read(*segments: str, **msh: str) -> Hl7Message:
    return Hl7Message(message("ORM^O01", "M1", *segments, **msh))


def test_a_path_finds_field_component_and_subcomponent() -> None:
    """What is left out is the first; what is not there is empty."""
    pid = read("PID|1||4711^^^HOSP&1.2.3&ISO")
    paths = ("PID-3", "PID-3.1", "PID-3.4", "PID-3.4.2", "PID-3.9", "PID-99", "PV1-2", "MSH-1", "MSH-9.2")
    assert [pid.get(path) for path in paths] == ["4711", "4711", "HOSP", "1.2.3", "", "", "", "|", "O01"]


def test_null_is_not_empty() -> None:
    """`""` has no value, and says so; an empty field says nothing."""
    pid = read('PID|1||4711||""||')
    assert [pid.get("PID-5"), pid.get("PID-7")] == ["", ""]
    assert [pid.says("PID-5"), pid.says("PID-7")] == [True, False]


def test_repetitions_leave_out_the_empty_ones() -> None:
    """PID-3 with three repetitions, one of them empty."""
    pid = read("PID|1||A^^^X~~B")
    assert [repetition.get() for repetition in pid.repetitions("PID-3")] == ["A", "B"]


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (r"\F\ \S\ \T\ \R\ \E\ ", "| ^ & ~ \\ "),
        (r"one\.br\two", "one\ntwo"),
        (r"\H\bold\N\ ", "bold "),
        (r"\X41C3A4\ ", "Aä "),
        (r"\XC3\\XA4\ ", "ä "),
        (r"unknown \Z1\ stays", r"unknown \Z1\ stays"),
        ("a lone \\ stays", "a lone \\ stays"),
    ],
)
def test_escapes(sent: str, meant: str) -> None:
    """Section 2.7; hexadecimal bytes are in the character set of the message."""
    assert unescape(sent, PLAIN) == meant


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"])))
def test_any_text_survives_escaping(text: str) -> None:
    """What we write is read back as it was."""
    escaped = escape(text, PLAIN)
    assert unescape(escaped, PLAIN) == text
    assert not set(escaped) & {"|", "^", "~", "&"}


def test_custom_delimiters() -> None:
    """MSH-1 and MSH-2 say what separates."""
    pid = Hl7Message(b"MSH#!@%*#A\rPID#1##4711!!!H*1@4712##Doe%S%Smith!John")
    assert [pid.get("PID-3.4.2"), pid.get("PID-5"), pid.get("PID-5.2")] == ["1", "Doe!Smith", "John"]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\n\r\n"])
def test_line_ends(end: str) -> None:
    """CR by the standard; LF and CRLF as they come from files."""
    assert Hl7Message(end.join(["MSH|^~\\&|A", "PID|1||4711", ""]).encode()).get("PID-3") == "4711"


def test_a_line_feed_inside_text_is_text() -> None:
    """Where CR ends the segments, LF does not."""
    assert read("OBX|1|TX|||one\ntwo").get("OBX-5") == "one\ntwo"


def test_a_carriage_return_inside_text_is_text() -> None:
    """Its sender forgot to escape it; after other segments such a line is not a part of anything."""
    read_ = read("OBX|1|TX|||one", "two, NAD", "NAD", "", "three||||||F", "OBX|2|TX|||four", "PID|1", "five")
    texts = [(obx.get("OBX-5"), obx.get("OBX-11")) for obx in read_.each("OBX")]
    assert texts == [("one\ntwo, NAD\nNAD\nthree", "F"), ("four", "")]
    assert read_.names == ["MSH", "OBX", "OBX", "PID", "five"]


@pytest.mark.parametrize(
    ("name", "codec", "text"),
    [
        ("", "utf-8", "Müller"),
        ("", "iso8859_1", "Müller"),
        ("ASCII", "utf-8", "Müller"),
        ("8859/1", "iso8859_1", "Müller"),
        ("8859/2", "iso8859_2", "Dvořák"),
        ("8859/5", "iso8859_5", "Иванов"),
        ("UNICODE UTF-8", "utf-8", "山田"),
        ("~ISO IR87", "iso2022_jp", "山田^太郎"),
        ("ISO IR87", "iso2022_jp", "山田^太郎"),
        ("ISO IR14", "shift_jis", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        ("8859/15", "iso8859_15", "Œuvre €"),
        ("BIG-5", "big5", "許功蓋"),
        ("ISO IR149", "euc_kr", "김희중"),
        ("KS X 1001", "euc_kr", "김희중"),
        ("GB 18030-2000", "gb18030", "王小东"),
    ],
)
def test_character_sets(name: str, codec: str, text: str) -> None:
    """MSH-18, table 0211; without it UTF-8, or else Latin-1."""
    raw = message("ORM^O01", "M1", f"PID|1||4711||{text}", msh_18=name).decode().encode(codec)
    assert Hl7Message(raw).field("PID-5").text == text


KOREAN = b"\x1b$)C"


@pytest.mark.parametrize(
    ("names", "name", "text"),
    [
        ("ISO IR14~ISO IR87", "ﾔﾏﾀﾞ".encode("shift_jis") + "^山田".encode("iso2022_jp"), "ﾔﾏﾀﾞ^山田"),
        ("ASCII~ISO IR87", rb"Yamada^\M2442\;3ED\C2842\^T", "Yamada^山田^T"),
        ("~ISO IR159", "丂^T".encode("iso2022_jp_ext"), "丂^T"),
        ("~KS X 1001", KOREAN + "洪".encode("euc_kr") + b"^" + "吉洞".encode("euc_kr"), "洪^吉洞"),
        (
            "8859/1~KS X 1001~ISO IR87",
            "Müller^".encode("iso8859_1") + KOREAN + "洪".encode("euc_kr") + "^Åse^".encode("iso8859_1")
            + "山田".encode("iso2022_jp"),
            "Müller^洪^Åse^山田",
        ),
        ("~8859/5", b"Ivanov^\x1b-L" + "Иванов".encode("iso8859_5"), "Ivanov^Иванов"),
    ],
)  # fmt: skip
def test_a_text_that_switches_character_sets(names: str, name: bytes, text: str) -> None:
    """Several MSH-18: by escape sequences of ISO 2022, raw or as HL7 writes them (§2.7.2)."""
    raw = message("ORM^O01", "M1", "PID|1||4711||@|M", "PV1|1|I", msh_18=names).replace(b"@", name)
    read_ = Hl7Message(raw)
    assert (read_.field("PID-5").text, read_.get("PID-6"), read_.get("PV1-2")) == (text, "M", "I")


def test_a_switch_ends_with_its_segment() -> None:
    """A sender that forgets to switch back spoils no other segment."""
    raw = message("ORM^O01", "M1", "PID|1||4711||@", "PV1|1|I", msh_18="~ISO IR87")
    assert Hl7Message(raw.replace(b"@", b"\x1b$B;3ED")).get("PV1-2") == "I"


@pytest.mark.parametrize("name", [b"\x1b(B\xff", b"\x1b$)Z\xa1", b"\x1b$B\x7f\x7f", b"\x1b$)C\xff"])
def test_a_switch_that_is_untrue(name: bytes) -> None:
    """A set that nobody knows, or bytes that are not in it."""
    raw = message("ORM^O01", "M1", "PID|1||4711||@", msh_18="~ISO IR87").replace(b"@", name)
    with pytest.raises(NotTakable, match="character set"):
        Hl7Message(raw)


@pytest.mark.parametrize(
    ("field", "path", "says"),
    [
        ("a^b", "PID-5", True), ("", "PID-5", False), ("^~&", "PID-5", False), ('""', "PID-5", True),
        ("a^b", "PID-5.2", True), ("a", "PID-5.2", False), ('""', "PID-5.2", True), ('a^""', "PID-5.2", True),
    ],
)  # fmt: skip
def test_whether_something_is_sent(field: str, path: str, says: bool) -> None:
    """A value, or `""`; a field that is `""` says so of each of its components."""
    assert read(f"PID|1||||{field}").says(path) is says


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", ErrorCode.SEGMENT_SEQUENCE_ERROR),
        (b"PID|1||4711", ErrorCode.SEGMENT_SEQUENCE_ERROR),
        (b"MSH", ErrorCode.DATA_TYPE_ERROR),
        (b"MSH|", ErrorCode.DATA_TYPE_ERROR),
        (b"MSH||||", ErrorCode.DATA_TYPE_ERROR),
        (b"MSH|^^^^|", ErrorCode.DATA_TYPE_ERROR),
        (message("ORM^O01", "M1", msh_18="KLINGON"), ErrorCode.TABLE_VALUE_NOT_FOUND),
        (message("ORM^O01", "M1") + b"PID|\xff\xff", ErrorCode.DATA_TYPE_ERROR),
    ],
)
def test_what_is_no_message_says_why(raw: bytes, code: ErrorCode) -> None:
    """No MSH, a cut MSH, an unknown or untrue character set: each is its own error, answered AR."""
    with pytest.raises(NotTakable) as error:
        Hl7Message(raw)
    assert (error.value.code, error.value.ack_code) == (code, "AR")


def test_order_groups() -> None:
    """Each ORC begins a group; a second OBR under it begins one that shares the ORC."""
    read_ = read("PID|1", "ORC|NW|1", "OBR|1", "NTE|a", "OBR|2", "OBX|b", "ORC|CA|2")
    said = [
        (group.get("ORC-2"), group.get("OBR-1"), group.has("NTE"), group.has("OBX"))
        for group in read_.groups()
    ]
    assert said == [("1", "1", True, False), ("1", "2", False, True), ("2", "", False, False)]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_reason(junk: bytes) -> None:
    """Nothing but NotTakable comes out of the reader."""
    for raw in (junk, b"MSH|^~\\&|" + junk, message("ORM^O01", "M1") + junk):
        with contextlib.suppress(NotTakable):
            Hl7Message(raw).groups()

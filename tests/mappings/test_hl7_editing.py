"""A message changed by hand: fields set, and text brought back into the bytes of its character set."""

import re

import pytest

from mappings.hl7.editing import BadEdit, as_bytes, draft, with_field
from mappings.hl7.errors import NotTakable
from mappings.hl7.reader import Hl7Message

TEXT = "\n".join(
    (
        r"MSH|^~\&|EHR|HOSP|||20261124||ORM^O01|M1|P|2.5.1",
        "PID|||4711^^^HOSP~99^^^INS||Doe",
        "OBR|1|P1",
        "OBR|2|P2||A^B",
    )
)


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("PID-3.1", "4712", "PID|||4712^^^HOSP~99^^^INS||Doe"),
        ("PID-3.4.2", "1.2", "PID|||4711^^^HOSP&1.2~99^^^INS||Doe"),
        ("PID-3", "1^^^A", "PID|||1^^^A||Doe"),
        ("PID-3[2].1", "100", "PID|||4711^^^HOSP~100^^^INS||Doe"),
        ("PID-3[3]", "5^^^B", "PID|||4711^^^HOSP~99^^^INS~5^^^B||Doe"),
        ("PID-8", "F", "PID|||4711^^^HOSP~99^^^INS||Doe|||F"),
        ("PID-5", "", "PID|||4711^^^HOSP~99^^^INS||"),
        ("OBR-4.2", "CT", "OBR|1|P1||^CT"),
        ("OBR[2]-4.2", "C", "OBR|2|P2||A^C"),
        ("MSH-12", "2.3", r"MSH|^~\&|EHR|HOSP|||20261124||ORM^O01|M1|P|2.3"),
        ("PID-5.1", r"A\S\B", r"PID|||4711^^^HOSP~99^^^INS||A\S\B"),
    ],
)
def test_a_field_set(path: str, value: str, line: str) -> None:
    """One part changes, and nothing else of the message."""
    before, after = TEXT.split("\n"), with_field(TEXT, path, value).split("\n")
    assert [new for old, new in zip(before, after, strict=True) if old != new] == [line]


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("PID", "1", "no path"),
        ("PID-0", "1", "no path"),
        ("ZDS-1", "1", "0 ZDS"),
        ("OBR[3]-4", "1", "2 OBR"),
        ("MSH-2", "1", "delimiters"),
        ("PID-3", "a|b", "\\F\\"),
        ("PID-3.1", "a~b", "\\R\\"),
        ("PID-3.1", "a^b", "\\S\\"),
        ("PID-3.4.1", "a&b", "\\T\\"),
        ("PID-3", "a\rPV1|", "CR"),
    ],
)
def test_an_edit_that_cannot_be_made(path: str, value: str, why: str) -> None:
    """The reason says what is wrong, and how such text is written."""
    with pytest.raises(BadEdit, match=re.escape(why)):
        with_field(TEXT, path, value)


@pytest.mark.parametrize(
    ("charset", "codec", "name"),
    [
        ("UNICODE UTF-8", "utf_8", "Müller^Åse"),
        ("8859/1", "iso8859_1", "Müller^Åse"),
        ("~ISO IR87", "iso2022_jp_ext", "山田^太郎"),
        ("", "iso8859_1", "Müller^Åse"),
        ("", "utf_8", "Müller^Åse"),
    ],
)
def test_the_character_set_is_kept(charset: str, codec: str, name: str) -> None:
    """A changed segment is in the set that the message names, or came in; the others keep their bytes."""
    raw = f"MSH|^~\\&|A|B|||||ORM^O01|M1|P|2.5.1||||||{charset}\rPID|||1||{name}\rNTE|1||{name}\r".encode(
        codec
    )
    original = draft(raw)
    assert as_bytes(original.text, original) == raw
    changed = as_bytes(with_field(original.text, "PID-3", "2"), original)
    assert changed == raw.replace(b"PID|||1|", b"PID|||2|")
    assert Hl7Message(changed).get("PID-5.1") == name.partition("^")[0]


def test_another_character_set() -> None:
    """With another MSH-18 every segment is written anew."""
    raw = "MSH|^~\\&|A|B|||||ORM^O01|M1|P|2.5.1||||||8859/1\rPID|||1||Müller\r".encode("iso8859_1")
    original = draft(raw)
    changed = as_bytes(with_field(original.text, "MSH-18", "UNICODE UTF-8"), original)
    assert "Müller".encode() in changed
    with pytest.raises(NotTakable, match="not in the set of MSH-18"):
        as_bytes(with_field(original.text, "PID-5", "山田"), original)


def test_a_line_feed_inside_of_a_segment() -> None:
    """It is text, and would end the segment in an editor: there it is an escape."""
    raw = b"MSH|^~\\&|A|B|||||ORU^R01|M1|P|2.5.1\rOBX|1|TX|||one\ntwo\r"
    original = draft(raw)
    assert original.text.splitlines()[1] == r"OBX|1|TX|||one\.br\two"
    assert as_bytes(original.text, original) == raw
    assert Hl7Message(as_bytes(with_field(original.text, "OBX-1", "2"), original)).get("OBX-5") == "one\ntwo"


@pytest.mark.parametrize("raw", [b"junk \xff", b"MSH", "PID|1|Müller\rPV1|".encode()])
def test_what_is_no_hl7_can_be_mended(raw: bytes) -> None:
    """As text, whatever it is; without MSH it does not become a message."""
    original = draft(raw)
    assert original.text
    with pytest.raises(NotTakable):
        as_bytes(original.text, original)
    assert as_bytes(TEXT + "\n" + original.text, original).startswith(b"MSH|^~")

"""Patient identifiers and codes as a site knows them, set in the message before it is mapped."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.hl7.errors import NotTakable
from mappings.hl7.reader import Hl7Message
from mappings.rules.check_digits import is_right, iso7064, mod10, mod11
from mappings.rules.code_tables import CodeTable
from mappings.rules.patient_identifiers import PatientIdentifiers
from mappings.rules.rewriting import rewritten
from tests.hl7_builders import an_orm

NO_RULES = PatientIdentifiers()


def pid3(sent: str, raw: bytes | None = None, **rules: Any) -> str:
    """PID-3 as it reads after these rules."""
    hl7 = Hl7Message(raw or an_orm(changes={"PID": {3: sent}}))
    changed = rewritten(hl7, PatientIdentifiers.model_validate(rules), [])
    return changed.delimiters.repetition.join(one.raw for one in changed.repetitions("PID-3"))


def translated(changes: dict[str, dict[int, str]], **table: Any) -> Hl7Message:
    hl7 = Hl7Message(an_orm(changes=changes))
    return rewritten(hl7, NO_RULES, [CodeTable.model_validate({"name": "t", **table})])


@pytest.mark.parametrize(
    ("number", "scheme", "digit"),
    [("12345", mod10, "5"), ("401", mod10, "0"), ("9999", mod10, "4"), ("99999999", mod10, "8"),
     ("1234567", mod11, "4"), ("000000021825009", iso7064, "7"), ("000000021694233", iso7064, "X")],
)  # fmt: skip
def test_check_digits_of_the_standards(number: str, scheme: Any, digit: str) -> None:
    """The examples of HL7 v2.5.1 §2A.14.3, and two known ORCIDs for ISO 7064 MOD 11-2."""
    assert scheme(number) == digit


@given(st.text("0123456789", min_size=2, max_size=30), st.integers(0, 28), st.sampled_from(["M10", "ISO"]))
def test_a_mistyped_digit_is_noticed(number: str, at: int, scheme: Any) -> None:
    """Both schemes notice every single wrong digit; zeros in front change nothing."""
    right = {"M10": mod10, "ISO": iso7064}[scheme](number)
    at %= len(number)
    wrong = number[:at] + str((int(number[at]) + 1) % 10) + number[at + 1 :]
    assert is_right(number, right, scheme)
    assert is_right("00" + number, right, scheme)
    assert not is_right(wrong, right, scheme)


def test_identifiers_get_the_site_s_authority() -> None:
    """A default where none is sent; another name for one, by namespace or universal id; the rest is left."""
    rules: dict[str, Any] = {"default_authority": "HOSP", "authorities": {"ADT1": "HOSP", "1.2.3": "HOSP"}}
    assert (
        pid3("1~2^^^ADT1^MR~3^^^&1.2.3&ISO~4^^^OTHER", **rules) == "1^^^HOSP~2^^^HOSP^MR~3^^^HOSP~4^^^OTHER"
    )


def test_zeros_in_front() -> None:
    """Stripped, or filled up, for the authorities that are named; a number of zeros keeps one."""
    rules: dict[str, Any] = {
        "numbers": [{"authority": "H*", "leading_zeros": "strip"}, {"authority": "N", "length": 6}]
    }
    assert pid3("0047^^^H1~000^^^H2~47^^^N~1234567^^^N~0047^^^X", **rules) == (
        "47^^^H1~0^^^H2~000047^^^N~1234567^^^N~0047^^^X"
    )


def test_the_primary_identifier_comes_first() -> None:
    """The first of PID-3 names the patient: the wanted type goes there, the others keep their order."""
    sent = "1^^^N^SS~2^^^H^PI~3^^^H^MR~4^^^X^XX"
    assert pid3(sent, primary_type=["MR", "PI"]) == "3^^^H^MR~2^^^H^PI~1^^^N^SS~4^^^X^XX"


@pytest.mark.parametrize(
    ("sent", "rule", "taken"),
    [
        ("1234567^4^M11", "sent", True),
        ("1234567^5^M11", "sent", False),
        ("1234567^5^NPI", "sent", True),
        ("1234567", "sent", True),
        ("12345674", "M11", True),
        ("12345675", "M11", False),
        ("12345^5", "M10", True),
        ("A2345^5", "M10", False),
        ("21694233X", "ISO", True),
        ("7", "M10", False),
    ],
)
def test_check_digits(sent: str, rule: str, taken: bool) -> None:
    """CX-2 by CX-3, or always by a scheme, where the last character stands for an empty CX-2."""
    numbers = [{"check_digit": rule}]
    accepts = [{"check_digit": rule, "wrong_check_digit": "accept"}]
    assert pid3(sent, numbers=accepts) == sent
    if taken:
        assert pid3(sent, numbers=numbers) == sent
    else:
        with pytest.raises(NotTakable, match="PID-3: the check digit") as refusal:
            pid3(sent, numbers=numbers)
        assert refusal.value.location == "PID^1^3"
        assert sent[:5] not in str(refusal.value)


def test_identifiers_that_are_retired_are_normalised_too() -> None:
    """MRG-1 names a patient as PID-3 does."""
    raw = an_orm() + b"MRG|0012\r"
    rules = PatientIdentifiers.model_validate(
        {"default_authority": "HOSP", "numbers": [{"leading_zeros": "strip"}]}
    )
    changed = rewritten(Hl7Message(raw), rules, [])
    assert changed.field("MRG-1").raw == "12^^^HOSP"


def test_what_no_rule_speaks_of_stays_as_it_came() -> None:
    """Byte for byte: escapes, null, empty repetitions; and the message itself where there is no rule."""
    hl7 = Hl7Message(an_orm())
    assert rewritten(hl7, NO_RULES, []) is hl7
    sent = r'A\T\B^^^H\S\1~""~'
    assert pid3(sent, raw=an_orm(changes={"PID": {3: sent}}), default_authority="X").startswith(
        r"A\T\B^^^H\S\1"
    )
    assert pid3('""', default_authority="X") == ""


def test_other_delimiters() -> None:
    """The message's own delimiters are used, and escaped in what is written."""
    raw = b"MSH$%*!@$EHR$HOSP$$$20261124$$ORM%O01$1$P$2.5\rPID$$$1%%%OLD*2\rOBR$1$$$A\r"
    rules = PatientIdentifiers.model_validate({"authorities": {"OLD": "N$1"}, "default_authority": "D"})
    table = CodeTable.model_validate({"name": "t", "path": "OBR-4", "codes": {"A": "B%"}})
    changed = rewritten(Hl7Message(raw), rules, [table])
    assert [one.raw for one in changed.repetitions("PID-3")] == ["1%%%N!F!1", "2%%%D"]
    assert changed.get("OBR-4") == "B%"


def test_a_code_is_translated_wherever_its_path_is() -> None:
    """In each segment and repetition; text and coding system of a CWE come along where the table has them."""
    codes = {"CTC": {"to": "CTCHEST", "display": "CT of the chest", "system": "L"}}
    changed = translated({"OBR": {4: "CTC^old text^99X^ALT^alt text^99Y"}}, path="OBR-4", codes=codes)
    assert changed.field("OBR-4").raw == "CTCHEST^CT of the chest^L^ALT^alt text^99Y"
    alternate = translated({"OBR": {4: "X^x^L^CTC"}}, path="OBR-4.4", codes=codes)
    assert alternate.field("OBR-4").raw == "X^x^L^CTCHEST^CT of the chest^L"
    priority = translated({"OBR": {27: "^^^20261124^^EMERGENCY"}}, path="OBR-27.6", codes={"EMERGENCY": "S"})
    assert priority.field("OBR-27").raw == "^^^20261124^^S"
    several = translated({"OBR": {21: "A~B~C"}}, path=["OBR-21", "OBR-24"], codes={"A": "CT1", "C": "CT3"})
    assert [one.raw for one in several.repetitions("OBR-21")] == ["CT1", "B", "CT3"]


def test_a_code_that_is_not_in_the_table() -> None:
    """It is kept, or the message is not taken, and the reason names path and table but not the code."""
    codes = {"CTC": "CTCHEST"}
    assert translated({"OBR": {4: "SECRET"}}, path="OBR-4", codes=codes).get("OBR-4") == "SECRET"
    assert translated({"OBR": {4: ""}}, path="OBR-4", codes=codes, unknown="reject").get("OBR-4") == ""
    with pytest.raises(NotTakable, match=r"OBR-4: the code is not in the site's table 't'") as refusal:
        translated({"OBR": {4: "SECRET"}}, path="OBR-4", codes=codes, unknown="reject")
    assert "SECRET" not in str(refusal.value)


def test_a_table_may_be_for_some_messages_only() -> None:
    """Its condition looks at the message as it came."""
    table = {"path": "OBR-24", "codes": {"C": "CT"}}
    assert translated({"OBR": {24: "C"}}, **table, when={"MSH-4": "HOSPITAL"}).get("OBR-24") == "CT"
    assert translated({"OBR": {24: "C"}}, **table, when={"MSH-4": "OTHER"}).get("OBR-24") == "C"


@pytest.mark.parametrize("path", ["MSH-1", "MSH-9.2", "MSH-18", "OBR-x", []])
def test_what_cannot_be_translated(path: object) -> None:
    """The header has been read when rules come."""
    with pytest.raises(ValueError, match="path"):
        CodeTable.model_validate({"name": "t", "path": path, "codes": {"A": "B"}})

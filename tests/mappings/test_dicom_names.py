"""PersonName ↔ PN, by the examples of PS3.5 §6.2.1.1 and annex H."""

import pytest

from mappings.dicom.names import from_pn, to_pn
from radflow.model import PersonName

PAIRS = [
    (PersonName(), ""),
    (PersonName(family="Doe"), "Doe"),
    (PersonName(family="Müller", given="Åse"), "Müller^Åse"),
    (
        PersonName(family="Adams", given="John Robert Quincy", prefix="Rev.", suffix="B.A. M.Div."),
        "Adams^John Robert Quincy^^Rev.^B.A. M.Div.",
    ),
    (
        PersonName(family="Yamada", given="Tarou", ideographic="山田^太郎", phonetic="やまだ^たろう"),
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (PersonName(ideographic="山田^太郎"), "=山田^太郎"),
]


@pytest.mark.parametrize(("name", "pn"), PAIRS)
def test_a_name_goes_there_and_back(name: PersonName, pn: str) -> None:
    """Every part has its place, and nothing trails."""
    assert to_pn(name) == pn
    assert from_pn(pn) == name


def test_a_delimiter_in_a_component_cannot_shift_the_others() -> None:
    """^, = and backslash of an HL7 name become blanks."""
    assert to_pn(PersonName(family="O^Neil=X", given="A\\B")) == "O Neil X^A B"


def test_a_group_is_cut_to_what_pn_holds() -> None:
    """64 characters, as PS3.5 table 6.2-1 says."""
    assert len(to_pn(PersonName(family="x" * 100))) == 64


def test_more_components_than_pn_has_are_no_error() -> None:
    """Archives hold names that are no names."""
    assert from_pn("a^b^c^d^e^f=g=h=i").suffix == "e"

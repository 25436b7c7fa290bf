"""MFN → catalogues: what the golden messages do not show."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import pytest

from mappings.hl7.acceptance import judge
from mappings.hl7.catalogues import CatalogueAction, CatalogueChange, read_catalogue
from mappings.hl7.errors import ErrorCode
from mappings.hl7.reader import Hl7Message
from tests.hl7_builders import an_mfn, message


def read(raw: bytes) -> list[CatalogueChange]:
    return read_catalogue(Hl7Message(raw), site="main", zone=ZoneInfo("Europe/Berlin"))


def test_several_entries_stay_in_order() -> None:
    """Each MFE with the segments that follow it."""
    raw = an_mfn() + b"MFE|MDC|2||MRHEAD^MR head^L\r"
    assert [(one.action, one.code) for one in read(raw)] == [
        (CatalogueAction.UPDATE, "CTCHEST"),
        (CatalogueAction.DEACTIVATE, "MRHEAD"),
    ]


def test_the_entrys_own_segment_says_what_it_is() -> None:
    """A general message (M13) with OM1 or STF: MFI-1 need not be known."""
    changes: Mapping[str, Mapping[int, str]] = {"MFI": {1: "ZZZ"}}
    (procedure,) = read(an_mfn(changes=changes) + b"OM1|1|CTABD^CT abdomen^L\r")
    (person,) = read(an_mfn(changes=changes) + b"STF|42|42^^^STAFF|Moreau^Jo\r")
    assert (procedure.kind, procedure.code, procedure.document["display"]) == (
        "procedure",
        "CTABD",
        "CT abdomen",
    )
    assert (person.kind, person.system, person.code) == ("staff", "STAFF", "42")


def test_from_when_it_holds() -> None:
    """MFE-3, or else MFI-5, in the site's zone."""
    own, of_all, at_once = (
        read(an_mfn(changes={"MFE": {3: mfe}, "MFI": {5: mfi}}))[0].effective_at
        for mfe, mfi in (("20261201", "20270101"), ("", "20270101"), ("", ""))
    )
    assert [str(moment) for moment in (own, of_all, at_once)] == [
        "2026-11-30 23:00:00+00:00",
        "2026-12-31 23:00:00+00:00",
        "None",
    ]


@pytest.mark.parametrize(
    ("raw", "code", "location"),
    [
        (message("MFN^M13", "N1", "MFI|OMA"), ErrorCode.SEGMENT_SEQUENCE_ERROR, "MFE^1"),
        (an_mfn(changes={"MFE": {1: "XXX"}}), ErrorCode.TABLE_VALUE_NOT_FOUND, "MFE^1^1"),
        (an_mfn(changes={"MFE": {4: ""}}), ErrorCode.REQUIRED_FIELD_MISSING, "MFE^1^4"),
        (an_mfn(changes={"MFI": {1: "INV"}}), ErrorCode.TABLE_VALUE_NOT_FOUND, "MFI^1^1"),
        (an_mfn("M14"), ErrorCode.UNSUPPORTED_EVENT_CODE, "MSH^1^9"),
    ],
)
def test_what_is_not_taken(raw: bytes, code: ErrorCode, location: str) -> None:
    """Before the ACK: which entry, what is done to it, and whether it is a file that is kept."""
    refusal = judge(raw).refusal
    assert refusal is not None
    assert (refusal.code, refusal.location) == (code, location)

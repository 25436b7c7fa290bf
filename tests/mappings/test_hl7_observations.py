"""Structured OBX and NTE of an ORU: every value type, what qualifies it, and slips that lose nothing."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mappings.hl7.reader import Hl7Message
from mappings.hl7.reports import read_reports
from radflow.model import CodedConcept, Identifier, Report, ReportedObservation
from tests.hl7_builders import message, segment

BERLIN = ZoneInfo("Europe/Berlin")


def read(*segments: str, obr: dict[int, str] | None = None) -> Report:
    order = segment("OBR", {1: "1", 2: "P1^EHR", 4: "CTCHEST^CT chest^L", 25: "F"} | (obr or {}))
    raw = message("ORU^R01^ORU_R01", "R1", segment("PID", {3: "4711"}), order, *segments)
    (report,) = read_reports(Hl7Message(raw), site="main", zone=BERLIN)
    return report


def obx(value_type: str, value: str, **more: str) -> ReportedObservation:
    fields = {2: value_type, 3: "X^Thing^L", 5: value, 11: "F"}
    fields |= {int(name.removeprefix("obx_")): value for name, value in more.items()}
    (observation,) = read(segment("OBX", fields)).observations
    return observation


@pytest.mark.parametrize(
    ("value_type", "value", "expected"),
    [
        ("NM", "12.50", {"number": Decimal("12.50")}),
        ("NM", "-7", {"number": Decimal(-7)}),
        ("NM", "1~2", {"numbers": (Decimal(1), Decimal(2))}),
        ("NA", "1^2.5~3", {"numbers": (Decimal(1), Decimal("2.5"), Decimal(3))}),
        ("SN", ">^100", {"comparator": ">", "number": Decimal(100)}),
        ("SN", "^1^-^3", {"number": Decimal(1), "separator": "-", "second_number": Decimal(3)}),
        ("SN", "^1^:^128", {"number": Decimal(1), "separator": ":", "second_number": Decimal(128)}),
        ("SN", "^2^+", {"number": Decimal(2), "separator": "+"}),
        ("CE", "N^Nodule^L", {"codes": (CodedConcept(code="N", display="Nodule", system="L"),)}),
        ("CWE", "N^^L^RID5^^RADLEX",
         {"codes": (CodedConcept(code="N", system="L"), CodedConcept(code="RID5", system="RADLEX"))}),
        ("DT", "20261124", {"day": "2026-11-24"}),
        ("DT", "202611", {"day": "2026-11"}),
        ("TS", "2026", {"day": "2026"}),
        ("TS", "20261124", {"day": "2026-11-24"}),
        ("DTM", "202611241000", {"moment": datetime(2026, 11, 24, 9, tzinfo=UTC)}),
        ("TS", "20261124100000-0500", {"moment": datetime(2026, 11, 24, 15, tzinfo=UTC)}),
        ("TM", "1015", {"time_of_day": "10:15:00"}),
    ],
)  # fmt: skip
def test_a_value_by_its_type(value_type: str, value: str, expected: dict[str, Any]) -> None:
    """OBX-5 as OBX-2 says; a time without a zone is in the site's."""
    read_ = obx(value_type, value)
    assert read_.model_dump(exclude_defaults=True, exclude={"code", "value_type", "status"}) == (
        ReportedObservation(code=CodedConcept(), value_type="", **expected).model_dump(
            exclude_defaults=True, exclude={"code", "value_type", "status"}
        )
    )


@pytest.mark.parametrize(
    ("value_type", "value"),
    [
        ("NM", "about 7"), ("NM", "NaN"), ("NM", "1~x"), ("SN", ">^many"), ("SN", "^1^-^x"), ("NA", "1^x"),
        ("DT", "24.11.2026"), ("DT", "20261332"), ("TS", "2026112499"), ("TM", "9999"), ("TM", "noon"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_what_its_type_says_is_kept_as_it_was_sent(value_type: str, value: str) -> None:
    """A slip of the sender loses no result."""
    read_ = obx(value_type, value)
    assert read_.text == value.replace("~", " ")
    assert (read_.number, read_.numbers, read_.codes, read_.moment, read_.day) == (None, (), (), None, "")


def test_what_qualifies_a_value() -> None:
    """OBX-4, 6, 7, 8, 14 to 18, 20, 21."""
    read_ = obx(
        "NM", "7", obx_4="2", obx_6="mm^millimeter^UCUM", obx_7="<10", obx_8="H~A", obx_14="202611241000",
        obx_15="RAD^Radiology^L", obx_16="R8^Reader^Rita", obx_17="CAL^Caliper^L", obx_18="CT7^RAD",
        obx_20="39607008^Lung^SCT", obx_21="OBS1^RIS",
    )  # fmt: skip
    assert (read_.sub_id, read_.unit.code, read_.reference_range) == ("2", "mm", "<10")
    assert [code.code for code in read_.interpretations] == ["H", "A"]
    assert read_.observed == datetime(2026, 11, 24, 9, tzinfo=UTC)
    assert (read_.organization.code, read_.observer.name.family, read_.method.code) == (
        "RAD", "Reader", "CAL",
    )  # fmt: skip
    assert read_.device == Identifier(value="CT7", assigner="RAD")
    assert (read_.body_site.code, read_.identifier) == ("39607008", Identifier(value="OBS1", assigner="RIS"))


def test_a_wrong_time_of_an_observation_does_not_lose_it() -> None:
    """OBX-14 is no reason to refuse a result."""
    assert obx("NM", "7", obx_14="yesterday").observed is None


def test_notes_belong_to_what_they_follow() -> None:
    """NTE before the first OBX is of the report, after an OBX of that OBX."""
    report = read(
        "NTE|1||Compared with 2025.", "OBX|1|NM|A||1||||||F", "NTE|1||Measured~twice", "OBX|2|NM|B||2||||||F"
    )
    assert report.notes == ("Compared with 2025.",)
    assert [one.notes for one in report.observations] == [("Measured\ntwice",), ()]


def test_text_and_documents_are_no_observations() -> None:
    """They are the narrative and the attachments, as before."""
    report = read("OBX|1|TX|A||Clear lungs.||||||F", "OBX|2|ED|B||^application^pdf^Base64^JVBERi0x||||||F")
    assert (report.observations, report.text, len(report.attachments)) == ((), "Clear lungs.", 1)


@pytest.mark.parametrize(
    ("name", "status", "appended"),
    [
        ("18748-4&ADT^x^LN", "F", True),
        ("55107-7^Addendum^LN", "F", True),
        ("X", "B", True),
        ("X", "F", False),
    ],
)
def test_an_addendum(name: str, status: str, appended: bool) -> None:
    """By the suffix ADT of OBX-3 (v2.5.1 §7.2.4), LOINC's addendum document, or OBX-11 B."""
    report = read("OBX|1|TX|X||First.||||||F", f"OBX|2|TX|{name}||Later.||||||{status}")
    assert (report.appended, report.text) == (appended, "First.\nLater.")


@pytest.mark.parametrize(("statuses", "withdrawn"), [("DW", True), ("WF", False), ("FF", False)])
def test_a_report_of_which_every_part_is_withdrawn(statuses: str, withdrawn: bool) -> None:
    """OBX-11 D or W of all of it; one part that stands leaves a report."""
    parts = [f"OBX|{n}|TX|X||Text.||||||{status}" for n, status in enumerate(statuses, start=1)]
    assert read(*parts).withdrawn is withdrawn


def test_who_took_part_in_the_examination() -> None:
    """OBR-33 to OBR-35, with repetitions; OBR-8 and OBR-24."""
    obr = {
        8: "202611241130",
        24: "CUS",
        33: "A1&Assist&Al~A2&Assist&Bo",
        34: "T1&Tech&Tina",
        35: "S1&Scribe&Sam",
    }
    report = read(obr=obr)
    assert [one.name.given for one in report.assistant_interpreters] == ["Al", "Bo"]
    assert (report.technicians[0].name.family, report.transcriptionists[0].name.family) == ("Tech", "Scribe")
    assert (report.ended, report.section) == (datetime(2026, 11, 24, 10, 30, tzinfo=UTC), "CUS")

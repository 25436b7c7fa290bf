"""Report → ORU^R01 as receivers want it, and back: `tests/messages/results/*.json` beside `*.hl7`.

`python -m tests.mappings.test_hl7_results` writes the messages anew; read what differs.
"""

import json
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydicom.valuerep import DA, TM

from mappings.dicom.sr import read_structured_report
from mappings.hl7.acceptance import judge
from mappings.hl7.reader import Hl7Message
from mappings.hl7.reports import read_reports
from mappings.hl7.results import ResultsAs, result_message
from mappings.hl7.sr_results import measured
from mappings.hl7.written_segments import Envelope
from radflow.findings import StructuredReport
from radflow.model import Attachment, CodedConcept, Identifier, Patient, PersonName, Practitioner, Report
from tests.builders import an_order
from tests.builders_around import a_structured_report_of_obx
from tests.builders_sr import ct_dose_report, measurement_report

BERLIN = ZoneInfo("Europe/Berlin")
GOLDEN = sorted((Path(__file__).parent.parent / "messages" / "results").glob("*.json"))
ORDER = an_order(
    filler_order_number=Identifier(value="F1", assigner="RIS"),
    patient=Patient(
        identifiers=(Identifier(value="4711", assigner="HOSP"), Identifier(value="1&2")),
        name=PersonName(family="Yamada", given="Tarou", ideographic="山田^太郎"),
        birth_date=date(1961, 4, 12),
        sex="M",
    ),
)
REPORT = Report(
    site="main",
    placer_order_number=ORDER.placer_order_number,
    filler_order_number=ORDER.filler_order_number,
    accession_number=ORDER.accession_number,
    study_instance_uid=ORDER.study_instance_uid,
    status="F",
    code=CodedConcept(code="CTCHEST", display="CT chest", system="L"),
    issued=datetime(2026, 11, 24, 9, 0, tzinfo=UTC),
    observed=datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
    ended=datetime(2026, 11, 24, 8, 20, tzinfo=UTC),
    interpreter=Practitioner(
        identifier=Identifier(value="88", assigner="STAFF"), name=PersonName(family="Hartmann", given="Jörg")
    ),
    text="Findings:\n\nno \\ | ^ & ~ lesion",
    attachments=(Attachment(content_type="application/pdf", data="JVBERi0xLjQK"),),
    notes=("Compared\nwith 2025.",),
    section="RAD",
)
WITH_ADDENDUM = REPORT.model_copy(
    update={
        "text": "Findings:\nnone\nSecond look:\na nodule\n5 mm",
        "addenda": ("Second look:\na nodule", "5 mm"),
        "appended": True,
        "observations": a_structured_report_of_obx().observations[:5],
    }
)


def sent(report: Report = REPORT, **wanted: object) -> bytes:
    at = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    envelope = Envelope("C1", at, BERLIN, ("RADFLOW", "RAD & co"), ("EHR", ""))
    found = measured(the_documents()) if wanted.get("observations") == "all" else []
    return result_message(ORDER, report, envelope, wanted=ResultsAs.model_validate(wanted), measured=found)


@cache
def the_documents() -> list[StructuredReport]:
    """Measurements of two findings, and a dose."""
    measurements, dose = measurement_report(), ct_dose_report()
    measurements.ContentDate, measurements.ContentTime = DA("20261124"), TM("102000")
    return [read_structured_report(one, BERLIN) for one in (measurements, dose)]


def read(raw: bytes) -> Report:
    (report,) = read_reports(Hl7Message(raw), site="main", zone=BERLIN)
    return report


@pytest.mark.parametrize("file", GOLDEN, ids=[file.stem for file in GOLDEN])
def test_a_result_goes_out_as_its_receiver_wants_it(file: Path) -> None:
    """Every choice of `[destinations.results_as]`, byte by byte; and the listener would take it."""
    raw = sent(WITH_ADDENDUM, **json.loads(file.read_text()))
    assert raw == file.with_suffix(".hl7").read_bytes()
    assert judge(raw).ack_code == "AA"


def test_the_studies_that_were_found_are_named() -> None:
    """One has no OBX-4; of several each has its own, as OBX of one OBX-3 must (§7.4.2.4)."""
    envelope = Envelope("C1", datetime(2026, 11, 24, 10, 0, tzinfo=UTC), BERLIN, ("RADFLOW", ""), ("EHR", ""))
    named = {
        uids: [
            (line.split("|")[4], line.split("|")[5])
            for line in result_message(ORDER, REPORT, envelope, studies=uids).decode("latin-1").split("\r")
            if line.startswith("OBX") and "|113014^" in line
        ]
        for uids in ((), ("2.25.1",), ("2.25.1", "2.25.2"))
    }
    assert named == {
        (): [("", ORDER.study_instance_uid)],
        ("2.25.1",): [("", "2.25.1")],
        ("2.25.1", "2.25.2"): [("1", "2.25.1"), ("2", "2.25.2")],
    }


@pytest.mark.parametrize("text", ["TX-lines", "TX", "FT"])
def test_what_is_sent_is_read_back_as_the_same_report(text: str) -> None:
    """Nothing is lost on the way: numbers, times, names, text with delimiters, documents, comments."""
    assert read(sent(text=text)) == REPORT


def test_structured_observations_and_addenda_come_back_too() -> None:
    """With v2.7, which has a place for everything; v2.5.1 tells the site in a comment."""
    report = WITH_ADDENDUM.model_copy(update={"observations": a_structured_report_of_obx().observations[:8]})
    assert read(sent(report, version="2.7", addenda="own")) == report
    (first, *_) = read(sent(report)).observations
    assert first.notes == ("twice", "Site: Lung (SCT 39607008)")


def test_measurements_of_sr_documents_keep_their_units_and_codes() -> None:
    """Numbers as highdicom wrote them, UCUM units, codes of SCT and DCM; a dose too."""
    found = {one.code.code: one for one in read(sent(observations="all", version="2.7")).observations}
    assert str(found["103339001"].number) == "12.5"
    assert (found["103339001"].unit.code, found["103339001"].body_site.code) == ("mm", "39607008")
    assert found["111014"].codes == (CodedConcept(code="129738005", display="Spiculated", system="SCT"),)
    assert (str(found["113813"].number), found["113813"].unit.code) == ("412.37", "mGy.cm")
    assert found["103339001"].sub_id == found["111014"].sub_id != found["112031"].sub_id


def test_a_receiver_may_leave_out_documents_and_numbers() -> None:
    """The text alone."""
    bare = read(sent(WITH_ADDENDUM, documents=False, observations="none"))
    assert (bare.attachments, bare.observations, bare.text) == ((), (), WITH_ADDENDUM.text)


def test_a_character_set_that_lacks_a_character() -> None:
    """Latin-1 has the umlaut; of Japanese, a question mark is left, and the message stays readable."""
    message = Hl7Message(sent(character_set="8859/1"))
    assert message.get("MSH-18") == "8859/1"
    assert read(sent(character_set="8859/1")).interpreter == REPORT.interpreter
    assert message.repetitions("PID-5")[1].get(1) == "??"


def test_a_choice_that_is_none() -> None:
    """As every other section of a site file."""
    with pytest.raises(ValidationError, match="text"):
        ResultsAs.model_validate({"text": "RTF"})


def test_the_header_and_the_patient() -> None:
    """As the receiver needs them to file the result."""
    message = Hl7Message(sent())
    paths = ("MSH-4", "MSH-7", "MSH-10", "MSH-18", "PID-3", "PID-3.4", "PID-5", "PID-7", "OBR-18")
    assert [message.get(path) for path in paths] == [
        "RAD & co", "20261124110000+0100", "C1", "UNICODE UTF-8", "4711", "HOSP", "Yamada", "19610412", "AP1",
    ]  # fmt: skip
    names = message.repetitions("PID-5")
    assert (names[1].get(1), names[1].get(2), names[1].get(8)) == ("山田", "太郎", "I")


@pytest.mark.parametrize("version", ["2.4", "2.5", "2.5.1", "2.6"])
def test_hl7apy_finds_it_valid(version: str) -> None:
    """The structure of ORU^R01, checked by another hand; of other versions it wants OBX-4 in every OBX."""
    raw = sent(WITH_ADDENDUM, version=version, observations="all", addenda="own")
    assert parse_message(raw.decode().rstrip("\r"), find_groups=True).validate()


@settings(max_examples=25, deadline=None)
@given(
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"])),
    st.sampled_from(["TX-lines", "TX", "FT"]),
)
def test_any_line_of_text_arrives(line: str, text: str) -> None:
    """Whatever a radiologist writes, in each way to send it."""
    report = REPORT.model_copy(update={"text": f"begin\n{line}\nend"})
    assert read(sent(report, text=text)).text == report.text


if __name__ == "__main__":
    for golden_file in GOLDEN:
        wanted_there = json.loads(golden_file.read_text())
        golden_file.with_suffix(".hl7").write_bytes(sent(WITH_ADDENDUM, **wanted_there))

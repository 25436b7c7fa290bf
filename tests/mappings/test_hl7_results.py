"""Report → ORU^R01, and back."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.hl7.acceptance import judge
from mappings.hl7.reader import Hl7Message
from mappings.hl7.reports import read_reports
from mappings.hl7.results import result_message
from mappings.hl7.written_segments import Envelope
from radflow.model import Attachment, CodedConcept, Identifier, Patient, PersonName, Practitioner, Report
from tests.builders import an_order

BERLIN = ZoneInfo("Europe/Berlin")
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
    interpreter=Practitioner(
        identifier=Identifier(value="88", assigner="STAFF"), name=PersonName(family="Hartmann", given="Jörg")
    ),
    text="Findings:\n\nno \\ | ^ & ~ lesion",
    attachments=(Attachment(content_type="application/pdf", data="JVBERi0xLjQK"),),
)


def sent(report: Report = REPORT) -> bytes:
    at = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    return result_message(ORDER, report, Envelope("C1", at, BERLIN, ("RADFLOW", "RAD & co"), ("EHR", "")))


def test_what_is_sent_is_read_back_as_the_same_report() -> None:
    """Nothing is lost on the way: numbers, times, names, text with delimiters, documents."""
    message = Hl7Message(sent())
    assert read_reports(message, site="main", zone=BERLIN) == [REPORT]
    assert judge(sent()).ack_code == "AA"


def test_the_header_and_the_patient() -> None:
    """As the receiver needs them to file the result."""
    message = Hl7Message(sent())
    paths = ("MSH-4", "MSH-7", "MSH-10", "MSH-18", "PID-3", "PID-3.4", "PID-5", "PID-7", "OBR-18")
    assert [message.get(path) for path in paths] == [
        "RAD & co", "20261124110000+0100", "C1", "UNICODE UTF-8", "4711", "HOSP", "Yamada", "19610412", "AP1",
    ]  # fmt: skip
    names = message.repetitions("PID-5")
    assert (names[1].get(1), names[1].get(2), names[1].get(8)) == ("山田", "太郎", "I")


def test_hl7apy_finds_it_valid() -> None:
    """The structure of ORU^R01 in v2.5.1, checked by another hand."""
    assert parse_message(sent().decode().rstrip("\r"), find_groups=True).validate()


@settings(max_examples=25)
@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"])))
def test_any_line_of_text_arrives(line: str) -> None:
    """Whatever a radiologist writes."""
    report = REPORT.model_copy(update={"text": f"begin\n{line}\nend"})
    (read,) = read_reports(Hl7Message(sent(report)), site="main", zone=BERLIN)
    assert read.text == report.text

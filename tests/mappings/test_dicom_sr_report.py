"""Which DICOM SR document is the order's report, and what it says."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydicom import Dataset

from mappings.dicom.sr import read_structured_report
from mappings.dicom.sr.report import report_in
from mappings.hl7.codes import report_event
from mappings.tables import packaged
from radflow.model import Report
from radflow.order import Event
from tests.builders import an_order
from tests.builders_sr import (
    ct_dose_report,
    document,
    item,
    key_object,
    measurement_report,
    said,
    text_report,
)

BERLIN = ZoneInfo("Europe/Berlin")


def the_report(*documents: Dataset) -> Report | None:
    read = [read_structured_report(one, BERLIN) for one in documents]
    return report_in(read, an_order())


def a_document(**header: Any) -> Dataset:
    found = text_report()
    for keyword, value in header.items():
        setattr(found, keyword, value)
    return found


def test_a_text_report_is_the_report() -> None:
    """Words, title, author and time, for the order it is found for."""
    found = the_report(a_document())
    assert found
    assert (found.source, found.accession_number) == ("sr", an_order().accession_number)
    assert found.text.startswith("Findings\n\nRundherd rechts.")
    assert (found.code.code, found.interpreter.name.family) == ("18748-4", "Rönt")
    assert found.issued
    assert found.issued.isoformat() == "2026-11-24T09:15:00+00:00"


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        ({"CompletionFlag": "COMPLETE", "VerificationFlag": "VERIFIED"}, "F"),
        ({"CompletionFlag": "COMPLETE", "VerificationFlag": "UNVERIFIED"}, "R"),
        ({"CompletionFlag": "PARTIAL", "VerificationFlag": "VERIFIED"}, "A"),
        ({"CompletionFlag": "PARTIAL", "VerificationFlag": "UNVERIFIED"}, "P"),
        ({"VerificationFlag": "VERIFIED", "PreliminaryFlag": "PRELIMINARY"}, "P"),
        ({"CompletionFlag": "", "VerificationFlag": ""}, "R"),
    ],
)  # fmt: skip
def test_its_flags_are_its_status(flags: dict[str, str], status: str) -> None:
    """Only what is complete and verified is final; what says nothing of itself is preliminary."""
    found = the_report(a_document(**flags))
    assert found
    assert found.status == status


def test_every_status_is_a_report() -> None:
    """None of the table's codes leaves the order waiting."""
    events = {report_event(code) for (code,) in packaged("sr-report-status").values()}
    assert events == {Event.REPORT_RECEIVED, Event.PRELIMINARY_RECEIVED}


def test_the_newest_counts_unless_it_is_replaced() -> None:
    """By Content Date and Time; a predecessor is gone, and what has one is corrected."""
    old, new = a_document(ContentTime="100000"), a_document(ContentTime="110000", VerificationFlag="VERIFIED")
    found = the_report(new, old)
    assert found
    assert (found.status, found.issued and found.issued.hour) == ("F", 10)
    instance, series, study = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = new.SOPClassUID, new.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedSOPSequence = new.SeriesInstanceUID, [instance]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = new.StudyInstanceUID, [series]
    mended = a_document(
        ContentTime="103000", VerificationFlag="VERIFIED", PredecessorDocumentsSequence=[study]
    )
    found = the_report(new, mended)
    assert found
    assert (found.status, found.issued and found.issued.minute) == ("C", 30)


def test_what_is_no_report() -> None:
    """Measurements, also with a comment, doses and key images."""
    comment = said(("121106", "DCM", "Comment"), "Motion artefacts.")
    commented = document(("126000", "DCM", "Imaging Measurement Report"), [comment])
    without_template = read_structured_report(commented, BERLIN)
    assert without_template.narrative
    assert the_report(commented, measurement_report(), ct_dose_report(), key_object()) is None


def test_a_document_without_words_is_none() -> None:
    """A heading alone says nothing."""
    empty = text_report()
    empty.ContentSequence = [item("CONTAINER", ("121070", "DCM", "Findings"), ContinuityOfContent="SEPARATE")]
    assert the_report(empty) is None

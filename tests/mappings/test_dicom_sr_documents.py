"""Key object selections, reports in words, and the header that all documents share."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pydicom import Dataset

from mappings.dicom.sr import read_structured_report
from mappings.dicom.sr.times import moment
from radflow.findings import StructuredReport
from tests.builders_sr import CT_IMAGE, coded, document, image, item, key_object, number, said, text_report

BERLIN = ZoneInfo("Europe/Berlin")
TITLE = ("X", "99ACME", "Report")


def read(made: Dataset) -> StructuredReport:
    return read_structured_report(made, BERLIN)


def test_key_images_with_their_reason() -> None:
    """Why they were selected, in which words, and which they are."""
    report = read(key_object())
    selected = report.key_images
    assert selected is not None
    assert selected.title
    assert (selected.title.code, selected.description) == ("113004", "Lungenrundherd")
    assert [(r.sop_class_uid, r.sop_instance_uid) for r in selected.references] == [CT_IMAGE]
    assert (report.narrative, report.dose, report.groups) == (None, None, ())


def test_key_images_without_template_title_or_words() -> None:
    """As small as some devices make it; an image that is named twice is one, a frame of it another."""
    bare = document(TITLE, [image(), image(), image(frames=[7])], modality="KO", series=59,
                    sop_class="1.2.840.10008.5.1.4.1.1.88.59")  # fmt: skip
    del bare.ConceptNameCodeSequence
    selected = read(bare).key_images
    assert selected is not None
    assert (selected.title, selected.description) == (None, "")
    assert [r.frames for r in selected.references] == [(), (7,)]


def test_a_report_in_words() -> None:
    """Headings, paragraphs, codes in words, and what a finding was seen on."""
    narrative = read(text_report()).narrative
    assert narrative is not None
    assert [section.heading and section.heading.display for section in narrative.sections] == [
        "Findings",
        "Conclusions",
    ]
    assert narrative.text == (
        "Findings\n\nRundherd rechts.\nKein Erguss.\n\nConclusions\n\nGrößenprogredient.\n\nNodule"
    )
    assert [r.sop_instance_uid for r in narrative.sections[0].references] == [CT_IMAGE[1]]


def test_words_without_headings_and_numbers_among_them() -> None:
    """Text directly below the title; a report that measures and tells has both."""
    made = document(
        TITLE,
        [said(("T", "99ACME", "Text"), "Befund"), number(("L", "99ACME", "L"), "3", ("mm", "UCUM", "mm"))],
    )
    report = read(made)
    assert report.narrative
    assert [p.text for s in report.narrative.sections for p in s.paragraphs] == ["Befund"]
    assert [one.value for group in report.groups for one in group.measurements] == [3]


def test_sections_in_sections() -> None:
    """As they stand, without those that are empty."""
    inner = item("CONTAINER", ("B", "99ACME", "Lunge"), said(("T", "99ACME", "T"), "frei"))
    outer = item("CONTAINER", ("A", "99ACME", "Thorax"), inner, item("CONTAINER", ("C", "99ACME", "Leer")))
    narrative = read(document(TITLE, [outer])).narrative
    assert narrative is not None
    assert narrative.text == "Thorax\n\nLunge\n\nfrei"


def test_codes_alone_are_no_report_in_words() -> None:
    """Nor is a text that only says how the document came about."""
    made = document(TITLE, [
        coded(("F", "99ACME", "F"), ("1", "99ACME", "One")),
        said(("121013", "DCM", "Device Observer Name"), "CT1", relationship="HAS OBS CONTEXT"),
    ])  # fmt: skip
    assert read(made).narrative is None


def test_what_nobody_knows_is_in_the_tree() -> None:
    """A table, a waveform, time coordinates: no finding, and nothing lost."""
    unknown = item(
        "TCOORD", ("W", "99ACME", "When"), TemporalRangeType="POINT", ReferencedSamplePositions=[5]
    )
    (child,) = read(document(TITLE, [unknown])).tree.children
    assert child.value_type == "TCOORD"
    assert child.attributes == {
        "0040A130": {"vr": "CS", "Value": ["POINT"]},
        "0040A132": {"vr": "UL", "Value": [5]},
    }


def test_when_it_was_written_and_verified() -> None:
    """Local time of the site, unless the document tells its own offset."""
    verifier = Dataset()
    verifier.VerifyingObserverName, verifier.VerifyingOrganization = "Rönt^Gerda", "Radiologie"
    verifier.VerificationDateTime = "20261124103000"
    made = document(TITLE, [], VerifyingObserverSequence=[verifier], VerificationFlag="VERIFIED")
    report = read(made)
    assert report.verification == "VERIFIED"
    assert report.written_at == datetime(2026, 11, 24, 9, 15, tzinfo=UTC)
    (verified,) = report.verifiers
    assert (verified.name, verified.organization) == ("Rönt^Gerda", "Radiologie")
    assert verified.verified_at == datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    made.TimezoneOffsetFromUTC = "-0500"
    assert read(made).written_at == datetime(2026, 11, 24, 15, 15, tzinfo=UTC)


def test_what_it_replaces_and_whose_request_it_answers() -> None:
    """Predecessor documents, and accession numbers of the header and of the requests, each once."""
    instance, series, study = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = "1.2", "1.2.3.4"
    series.SeriesInstanceUID, series.ReferencedSOPSequence = "1.2.3", [instance]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = "1.2", [series]
    requests = [Dataset(), Dataset(), Dataset()]
    requests[0].AccessionNumber, requests[1].AccessionNumber = "AP1", "AP2"
    report = read(
        document(TITLE, [], PredecessorDocumentsSequence=[study], ReferencedRequestSequence=requests)
    )
    (replaced,) = report.predecessors
    assert replaced.instance.sop_instance_uid == "1.2.3.4"
    assert (replaced.study_instance_uid, replaced.series_instance_uid) == ("1.2", "1.2.3")
    assert report.accession_numbers == ("AP1", "AP2")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("20261124101500+0100", "2026-11-24T09:15:00+00:00"),
        ("20261124101500.25", "2026-11-24T09:15:00.250000+00:00"),
        ("20261124", "2026-11-23T23:00:00+00:00"),
        ("20261124101560", "2026-11-24T09:15:59+00:00"),
        ("202611", None),
        ("20261301", None),
        ("yesterday", None),
        ("00010101000000", None),
        ("20261124101500+9900", "2026-11-24T09:15:00+00:00"),
        ("", None),
    ],
)
def test_times(sent: str, expected: str | None) -> None:
    """DT with and without offset, seconds and sense."""
    read_as = moment(sent, BERLIN)
    assert (read_as and read_as.isoformat()) == expected

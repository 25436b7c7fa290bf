"""Measurements: the same values, units and codes that dcmtk and highdicom read from the same file."""

import re
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from highdicom.sr import Comprehensive3DSR
from pydicom import Dataset, dcmread

from mappings.dicom.sr import read_structured_report
from radflow.findings import IrradiationEvent, Measurement, StructuredReport
from radflow.model import CodedConcept
from tests import peers
from tests.builders_sr import (
    CT_IMAGE,
    EVENTS,
    coded,
    ct_dose_report,
    document,
    image,
    item,
    measurement_report,
    number,
    projection_dose_report,
    said,
)

BERLIN = ZoneInfo("Europe/Berlin")
DUMPED = re.compile(r'NUM:\((.+?),(\w+),"(.+?)"\)="(.*?)" \((.+?),(\w+),"(.+?)"\)>')
"""A line of dsrdump: the concept, the value, the unit; of each code its value, scheme and meaning."""

Line = tuple[str, str, str, Decimal, str, str, str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The TID 1500 document as a file."""
    made = tmp_path / "report.dcm"
    measurement_report().save_as(made, enforce_file_format=True)
    return made


def read(dataset: Dataset) -> StructuredReport:
    return read_structured_report(dataset, BERLIN)


def lines(measurements: list[Measurement]) -> list[Line]:
    found = []
    for one in measurements:
        assert one.value is not None
        assert one.unit
        found.append(
            (
                one.name.code, one.name.system, one.name.display, one.value,
                one.unit.code, one.unit.system, one.unit.display,
            )
        )  # fmt: skip
    return found


def dumped(file: Path) -> list[Line]:
    text = peers.run(peers.dcmtk("dsrdump"), "--print-all-codes", "--print-long-values", file)
    return [(a, b, c, Decimal(value), d, e, f) for a, b, c, value, d, e, f in DUMPED.findall(text)]


def test_they_are_what_dcmtk_reads(file: Path) -> None:
    """Concept, value and unit of every number, in the document's order."""
    groups = read(dcmread(file)).groups
    ours = lines([one for group in groups for one in group.measurements])
    assert len(ours) == 4
    assert ours == dumped(file)


def test_they_are_what_highdicom_reads(file: Path) -> None:
    """Group by group: tracking, finding, site, laterality, number, unit, qualifier, derivation, method."""
    report = read(dcmread(file))
    theirs = Comprehensive3DSR.from_dataset(dcmread(file)).content
    planar = theirs.get_planar_roi_measurement_groups()  # type: ignore[attr-defined]
    plain = theirs.get_image_measurement_groups()  # type: ignore[attr-defined]
    assert len(report.groups) == len([*planar, *plain]) == 2
    for ours, their in zip(report.groups, [*planar, *plain], strict=True):
        assert ours.tracking_id == their.tracking_identifier
        assert ours.tracking_uid == str(their.tracking_uid)
        assert same(ours.finding, their.finding_type)
        (site,) = their.finding_sites
        assert same(ours.finding_site, site.value)
        assert same(ours.laterality, site.laterality)
        assert same(ours.site_modifier, site.topographical_modifier)
        measured = their.get_measurements()
        assert len(ours.measurements) == len(measured)
        for our, one in zip(ours.measurements, measured, strict=True):
            assert same(our.name, one.name)
            # highdicom gives the floating point value, where there is one.
            assert (our.precise or our.value) == Decimal(str(one.value))
            assert same(our.unit, one.unit)
            assert same(our.qualifier, one.qualifier)
            assert same(our.derivation, one.derivation)
            assert same(our.method, one.method)
            assert [i.sop_instance_uid for i in our.images] == [
                str(source.referenced_sop_instance_uid) for source in one.referenced_images
            ]
        # highdicom counts every code: finding and category, fields here; the algorithm, a property.
        evaluations = [
            one
            for one in their.get_qualitative_evaluations()
            if one.name.value not in ("121071", "276214006", "111000")
        ]
        assert len(ours.evaluations) == len(evaluations)
        for judged, evaluated in zip(ours.evaluations, evaluations, strict=True):
            assert same(judged.name, evaluated.name)
            assert same(judged.code, evaluated.value)


def same(ours: CodedConcept | None, theirs: object) -> bool:
    """Whether both name one concept, in the same words; or both name none."""
    if ours is None or theirs is None:
        return ours is theirs
    named = (theirs.value, theirs.scheme_designator, theirs.meaning)  # type: ignore[attr-defined]
    return (ours.code, ours.system, ours.display) == named


def test_a_region_is_kept_with_the_image_it_is_on() -> None:
    """A circle: centre and a point of it, in pixels of the image it is selected from."""
    (region,) = read(measurement_report()).groups[0].regions
    assert (region.type, region.data) == ("CIRCLE", (100.5, 120.25, 110.5, 120.25))
    assert [(i.sop_class_uid, i.sop_instance_uid) for i in region.images] == [CT_IMAGE]


def test_the_document_s_header() -> None:
    """Its UIDs, its title, its template, its state, its language, its observer and its evidence."""
    report = read(measurement_report())
    assert (report.sop_instance_uid, report.study_instance_uid) == ("1.2.3.77.1", "1.2.3")
    assert (report.template, report.completion, report.verification) == ("1500", "COMPLETE", "UNVERIFIED")
    assert report.preliminary == "FINAL"
    assert report.title == CodedConcept(code="126000", display="Imaging Measurement Report", system="DCM")
    assert report.language == CodedConcept(code="de", display="German", system="RFC5646")
    assert [observer.name for observer in report.observers] == ["Rönt^Gerda"]
    assert [one.instance.sop_instance_uid for one in report.evidence] == [CT_IMAGE[1]]
    assert report.accession_numbers == ("AP1",)


def test_a_report_travels_through_json() -> None:
    """What the store keeps is what was read: digits, regions, properties and the tree."""
    for made in (measurement_report(), ct_dose_report(), projection_dose_report()):
        report = read(made)
        assert StructuredReport.model_validate_json(report.model_dump_json()) == report
        assert StructuredReport.model_validate(report.model_dump(mode="json")) == report


def test_doses_of_ct_are_what_dcmtk_reads(tmp_path: Path) -> None:
    """Totals and every event, wherever in the event's containers a number stands."""
    file = tmp_path / "dose.dcm"
    ct_dose_report().save_as(file, enforce_file_format=True)
    dose = read(dcmread(file)).dose
    assert dose is not None
    (total,) = dose.accumulated
    ours = [total.events, total.dlp]
    for event in dose.events:
        ours += [*event.others, event.ctdi_vol, event.dlp]
    numbers = [one for one in ours if one]
    assert len(numbers) == 10
    assert lines(numbers) == dumped(file)


def test_doses_of_ct_by_name() -> None:
    """The fields of TID 10011 that everyone asks for; SRT codes are understood as SNOMED CT."""
    report = read(ct_dose_report())
    dose = report.dose
    assert dose is not None
    assert report.groups == ()
    assert (dose.scope_uid, dose.procedure and dose.procedure.code) == ("1.2.3", "P5-08000")
    assert [observer.name for observer in report.observers if observer.device] == ["CT1"]
    topogram, thorax = dose.events
    assert (topogram.uid, topogram.protocol) == ("1.2.3.100.1", "Topogram")
    assert value(thorax, "ctdi_vol") == (Decimal("9.86"), "mGy")
    assert value(thorax, "dlp") == (Decimal("404.27"), "mGy.cm")
    assert thorax.phantom
    assert thorax.phantom.code == "113691"
    assert [(one.name.display, one.value) for one in thorax.others] == [
        ("Exposure Time", Decimal("4.5")),
        ("KVP", 120),
    ]


def value(event: IrradiationEvent, field: str) -> tuple[Decimal | None, str]:
    measured: Measurement = getattr(event, field)
    assert measured.unit
    return measured.value, measured.unit.code


def test_doses_of_projection_x_ray() -> None:
    """TID 10001: totals of a plane, and an event with its time in UTC."""
    dose = read(projection_dose_report()).dose
    assert dose is not None
    (total,) = dose.accumulated
    assert total.plane
    assert total.plane.display == "Single Plane"
    assert [one and one.value for one in (total.dose_area_product, total.dose_rp, total.fluoro_time)] == [
        Decimal("0.000123"), Decimal("0.0123"), Decimal(62),
    ]  # fmt: skip
    assert [one.name.display for one in total.others] == ["Fluoro Dose Area Product Total"]
    (event,) = dose.events
    assert event.started
    assert event.started.isoformat() == "2026-11-24T09:15:30+00:00"
    assert value(event, "dose_area_product") == (Decimal("0.000123"), "Gy.m2")
    assert event.type
    assert event.type.display == "Fluoroscopy"


def test_a_number_that_is_none_is_kept_with_its_reason() -> None:
    """Empty, absent and unreadable values: no number, but concept, unit, qualifier and what was sent."""
    mm = ("mm", "UCUM", "millimeter")
    qualifier = Dataset()
    qualifier.CodeValue, qualifier.CodingSchemeDesignator = "114006", "DCM"
    qualifier.CodeMeaning = "Measurement failure"
    empty = number(("L1", "99VENDOR", "Length"), "", mm, NumericValueQualifierCodeSequence=[qualifier])
    absent = item("NUM", ("L2", "99VENDOR", "Length"), MeasuredValueSequence=[])
    missing = item("NUM", ("L3", "99VENDOR", "Length"))
    several = number(("L4", "99VENDOR", "Length"), "1\\2", mm)
    made = document(("X", "99VENDOR", "Nodules"), [empty, absent, missing, several])
    (group,) = read(made).groups
    assert [one.value for one in group.measurements] == [None] * 4
    assert [one.name.code for one in group.measurements] == ["L1", "L2", "L3", "L4"]
    assert group.measurements[0].qualifier == CodedConcept(
        code="114006", display="Measurement failure", system="DCM"
    )
    assert group.measurements[3].sent == "1\\2"


def test_a_vendor_s_own_template_gives_its_numbers() -> None:
    """No template id, private codes, no relationship types, the site on the section: nothing is lost."""
    left = coded(
        ("G-C0E3", "SRT", "Finding Site"), ("T-04030", "SRT", "Left breast"),
        coded(("G-C171", "SRT", "Laterality"), ("G-A101", "SRT", "Left"), relationship=""), relationship="",
    )  # fmt: skip
    count = number(("99-1", "99ACME", "Calcifications"), "12", EVENTS, image(frames=[3, 4]), relationship="")
    section = item("CONTAINER", ("99-0", "99ACME", "Breast"), left, count, relationship="")
    group = read(document(("99", "99ACME", "CAD"), [section])).groups[0]
    (measured,) = group.measurements
    assert (measured.value, measured.name.system) == (Decimal(12), "99ACME")
    assert measured.laterality
    assert (measured.laterality.code, group.laterality) == ("G-A101", measured.laterality)
    assert [one.frames for one in measured.images] == [(3, 4)]


def test_what_was_measured_from_what() -> None:
    """By value: numbers that a number was inferred from. By reference: a region that stands elsewhere."""
    mm = ("mm", "UCUM", "millimeter")
    inner = number(("A", "99ACME", "Axis"), "3", mm, relationship="INFERRED FROM")
    region = item("SCOORD", ("111030", "DCM", "Image Region"), image(relationship="SELECTED FROM"),
                  GraphicType="POINT", GraphicData=[1.0, 2.0])  # fmt: skip
    pointer = Dataset()
    pointer.RelationshipType, pointer.ReferencedContentItemIdentifier = "INFERRED FROM", [1, 1]
    nowhere = Dataset()
    nowhere.RelationshipType, nowhere.ReferencedContentItemIdentifier = "INFERRED FROM", [1, 99, 1]
    outer = number(("M", "99ACME", "Mean"), "4", mm, inner, pointer, nowhere)
    (group,) = read(document(("X", "99ACME", "Report"), [region, outer])).groups
    (mean,) = group.measurements
    assert [one.value for one in mean.inferred_from] == [3]
    assert [one.data for one in mean.regions] == [(1.0, 2.0)]


def test_numbers_that_refer_to_each_other_end() -> None:
    """A reference to itself, and to the root, is no endless loop."""
    mm = ("mm", "UCUM", "millimeter")
    pointers = []
    for path in ([1], [1, 1]):
        pointer = Dataset()
        pointer.RelationshipType, pointer.ReferencedContentItemIdentifier = "INFERRED FROM", path
        pointers.append(pointer)
    made = document(("X", "99ACME", "Report"), [number(("M", "99ACME", "Mean"), "4", mm, *pointers)])
    assert [one.value for one in read(made).groups[0].measurements] == [4]


def test_how_the_images_were_made_is_no_finding() -> None:
    """The image library of TID 1600 holds pixel spacings and the like."""
    spacing = number(("110911", "DCM", "Pixel Data Rows"), "512", ("{pixels}", "UCUM", "pixels"),
                     relationship="HAS ACQ CONTEXT")  # fmt: skip
    library = item("CONTAINER", ("111028", "DCM", "Image Library"), image(), spacing)
    assert read(document(("126000", "DCM", "Imaging Measurement Report"), [library])).groups == ()


def test_reference_range_and_comment_stay_with_the_number() -> None:
    """HAS PROPERTIES of a number, and a text in the group."""
    mm = ("mm", "UCUM", "millimeter")
    upper = number(("R-0038B", "SRT", "Normal Range Upper Limit"), "40", mm, relationship="HAS PROPERTIES")
    aorta = number(("18015-8", "LN", "Aortic Root Diameter"), "34", mm, upper)
    group = item("CONTAINER", ("125007", "DCM", "Measurement Group"), aorta,
                 said(("121106", "DCM", "Comment"), "grenzwertig"))  # fmt: skip
    (read_group,) = read(document(("125200", "DCM", "Adult Echo Report"), [group])).groups
    (limit,) = read_group.measurements[0].properties
    assert (limit.value, limit.unit and limit.unit.code) == (Decimal(40), "mm")
    assert [one.text for one in read_group.evaluations] == ["grenzwertig"]


def test_a_value_longer_than_ds_holds_is_taken_from_its_float() -> None:
    """Floating Point Value (0040,A161) beside an empty Numeric Value."""
    one = number(("M", "99ACME", "Mean"), "", ("1", "UCUM", "no units"))
    one.MeasuredValueSequence[0].FloatingPointValue = 0.1234567890123456
    (group,) = read(document(("X", "99ACME", "Report"), [one])).groups
    (measured,) = group.measurements
    assert measured.value == measured.precise == Decimal("0.1234567890123456")

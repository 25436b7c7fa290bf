"""The tree is kept without loss: tree → dataset → bytes → dataset → tree, whatever a vendor has written."""

from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.tag import Tag

from mappings.dicom.sr import NotAStructuredReport, read_structured_report
from mappings.dicom.sr.attributes import DEEPEST, as_json
from mappings.dicom.sr.content import read_tree, write_tree
from radflow.connectors.dicom import keep_patients_out_of_the_log
from radflow.findings import ContentItem, Graphic, InstanceReference, Numeric, StructuredReport
from radflow.model import CodedConcept
from tests.builders_sr import (
    code,
    ct_dose_report,
    document,
    item,
    key_object,
    measurement_report,
    number,
    projection_dose_report,
    said,
    text_report,
)

UTC = ZoneInfo("UTC")
DOCUMENTS = [measurement_report, ct_dose_report, projection_dose_report, key_object, text_report]

# Names and texts as DICOM can hold them: no padding at the ends, no control characters, no delimiters.
_words = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\\^="), max_size=20
).map(str.strip)
_long = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="^="), max_size=80).map(
    lambda text: text.strip()
)
_codes = st.builds(
    CodedConcept,
    code=_words | st.sampled_from(["121071", "urn:oid:1.2.3", "12345678901234567890"]),
    display=_words,
    system=_words,
)
_maybe_code = st.none() | _codes
_uids = st.sampled_from(["1.2.3", "1.2.840.10008.5.1.4.1.1.2", "2.25.1"])
_references = st.lists(
    st.builds(
        InstanceReference,
        sop_class_uid=_uids,
        sop_instance_uid=_uids,
        frames=st.lists(st.integers(1, 9999), max_size=3).map(tuple),
        segments=st.lists(st.integers(1, 99), max_size=3).map(tuple),
    ),
    max_size=2,
).map(tuple)
_decimal_strings = st.sampled_from(
    ["", "1", "-0.5", "12.50", "1E-3", "abc", "1,5", "1\\2", "NaN", "+3", "007"]
)
_numerics = st.builds(
    Numeric,
    value=_decimal_strings,
    floating=st.just("") | st.floats(allow_nan=False).map(repr),
    unit=_maybe_code,
) | st.just(Numeric(measured=False))
_graphics = st.builds(
    Graphic,
    type=st.sampled_from(["POINT", "POLYLINE", "CIRCLE", "VENDOR"]),
    data=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=6).map(tuple),
    frame_of_reference_uid=st.just("") | _uids,
)
_private = st.fixed_dictionaries(
    {"00E10010": st.just({"vr": "LO", "Value": ["ACME"]})},
    optional={
        "00E11001": st.just({"vr": "DS", "Value": ["1.500", "x"]}),
        "00E11002": st.just({"vr": "OB", "InlineBinary": "AAECAw=="}),
        "00E11003": st.just({"vr": "SQ", "Value": [{"0040A30A": {"vr": "DS", "Value": ["1.0"]}}, {}]}),
        "00E11004": st.just({"vr": "FD", "Value": ["nan", "inf", "0.1"]}),
        "00E11005": st.just({"vr": "LO"}),
        "00E11006": st.just({"vr": "US", "Value": [1, 2]}),
    },
)
_attributes: st.SearchStrategy[dict[str, Any]] = st.just({}) | _private

_TEXTS = {
    "TEXT": _long, "PNAME": st.just("Rönt^Gerda"), "UIDREF": _uids,
    "DATE": st.sampled_from(["20261124", "2026.11.24"]), "TIME": st.sampled_from(["101500", "24:00"]),
    "DATETIME": st.just("20261124101500+0100"),
}  # fmt: skip


def _items(children: st.SearchStrategy[tuple[ContentItem, ...]]) -> st.SearchStrategy[ContentItem]:
    common = {
        "relationship": st.sampled_from(["", "CONTAINS", "HAS PROPERTIES", "INFERRED FROM", "IS ODD"]),
        "concept": _maybe_code,
        "template": st.sampled_from(["", "1500", "99ACME"]),
        "mapping_resource": st.sampled_from(["", "DCMR"]),
        "observed": st.sampled_from(["", "20261124101500"]),
        "observation_uid": st.just("") | _uids,
        "attributes": _attributes,
        "children": children,
    }
    texts = [
        st.builds(ContentItem, value_type=st.just(kind), text=st.none() | values, **common)
        for kind, values in _TEXTS.items()
    ]
    return st.one_of(
        *texts,
        st.builds(
            ContentItem,
            value_type=st.sampled_from(["CODE", "NUM", "IMAGE", "CONTAINER", "SCOORD", "TABLE", ""]),
            code=_maybe_code,
            numeric=st.none() | _numerics,
            qualifier=_maybe_code,
            references=_references,
            graphic=st.none() | _graphics,
            continuity=st.sampled_from(["", "SEPARATE"]),
            target=st.lists(st.integers(1, 9), max_size=3).map(tuple),
            **common,
        ),
    )


_trees = st.recursive(
    _items(st.just(())), lambda inner: _items(st.lists(inner, max_size=3).map(tuple)), max_leaves=8
)


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> None:
    """As in the services: pydicom does not warn of values that are odd."""
    keep_patients_out_of_the_log()


def over_the_wire(dataset: Dataset, *, implicit: bool) -> Dataset:
    """Written and read again."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    written = DicomBytesIO()
    written.is_little_endian, written.is_implicit_VR = True, implicit
    write_dataset(written, dataset)
    return read_dataset(BytesIO(written.getvalue()), implicit, True)


def normal(tree: ContentItem) -> ContentItem:
    """The root alone: what a document's header shares with it is not its own."""
    return ContentItem(value_type="CONTAINER", children=(tree,))


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(_trees)
def test_a_tree_survives_its_dataset(tree: ContentItem) -> None:
    """Every field, every private attribute, every value that is none: equal after being written and read."""
    wrapped = normal(tree)
    assert canonical(read_tree(write_tree(wrapped))) == canonical(wrapped)
    assert canonical(read_tree(over_the_wire(write_tree(wrapped), implicit=False))) == canonical(wrapped)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(_trees)
def test_a_dataset_survives_its_tree(tree: ContentItem) -> None:
    """The other way round: what was read is written with the same elements, byte for byte in JSON."""
    sent = over_the_wire(write_tree(normal(tree)), implicit=False)
    again = write_tree(read_tree(sent))
    del sent.SpecificCharacterSet
    assert as_json(again) == as_json(sent)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(_trees)
def test_reading_never_raises(tree: ContentItem) -> None:
    """Whatever the tree is: findings come out, and travel through JSON."""
    made = document(("121071", "DCM", "Finding"), [write_tree(tree)])
    report = read_structured_report(over_the_wire(made, implicit=True), UTC)
    assert StructuredReport.model_validate_json(report.model_dump_json()) == report


def canonical(tree: ContentItem) -> dict[str, Any]:
    """The tree as JSON, with numbers that no field can tell in their written form."""
    return tree.model_dump(mode="json")


@pytest.mark.parametrize("make", DOCUMENTS)
def test_real_templates_are_told_by_fields_alone(make: Any) -> None:
    """In documents by the book nothing is left over for the raw attributes; all of it is written again."""
    made = make()
    file = BytesIO()
    made.save_as(file, enforce_file_format=True)
    sent = dcmread(BytesIO(file.getvalue()))
    root = read_tree(sent)
    again = write_tree(root)
    assert as_json(again)["0040A730"] == as_json(sent)["0040A730"]
    assert leftovers(root) == []


def leftovers(tree: ContentItem) -> list[dict[str, Any]]:
    below = [one for child in tree.children for one in leftovers(child)]
    return [tree.attributes, *below] if tree.attributes else below


def test_what_no_field_can_tell_is_kept_as_it_is() -> None:
    """A code with its version, a second code, a private attribute, coordinates that are no numbers."""
    versioned = code(("1", "99ACME", "One"))
    versioned.CodingSchemeVersion = "2.0"
    odd = item("CODE", None, ConceptCodeSequence=[versioned, code(("2", "99ACME", "Two"))])
    odd.add_new(0x00E10010, "LO", "ACME")
    odd.add_new(0x00E11001, "UN", b"\x01\x02")
    tree = read_tree(document(("X", "99ACME", "X"), [odd]))
    (child,) = tree.children
    assert child.code == CodedConcept(code="1", display="One", system="99ACME")
    assert child.attributes["0040A168"]["Value"][0]["00080103"]["Value"] == ["2.0"]
    assert len(child.attributes["0040A168"]["Value"]) == 2
    assert child.attributes["00E11001"] == {"vr": "UN", "InlineBinary": "AQI="}
    assert as_json(write_tree(child)) == as_json(odd)


def test_bytes_that_are_no_number_do_no_harm() -> None:
    """A DS that holds words: the number is None, the words are kept."""
    made = number(("L", "99ACME", "Length"), "1", ("mm", "UCUM", "mm"))
    tag = Tag("NumericValue")
    made.MeasuredValueSequence[0][tag] = RawDataElement(tag, "DS", 6, b"1,5 cm", 0, False, True)
    report = read_structured_report(document(("X", "99ACME", "X"), [made]), UTC)
    (measured,) = report.groups[0].measurements
    assert (measured.value, measured.sent) == (None, "1,5 cm")
    assert "1,5 cm" in report.model_dump_json()


def test_names_in_other_scripts_stay() -> None:
    """ISO 2022 in the document, Unicode in the findings."""
    made = document(("X", "99ACME", "X"), [said(("T", "99ACME", "所見"), "右肺に結節")])
    made.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    file = BytesIO()
    made.save_as(file, enforce_file_format=True)
    (paragraph,) = narrative_of(dcmread(BytesIO(file.getvalue())))
    assert paragraph == "右肺に結節"


def narrative_of(made: Dataset) -> list[str]:
    narrative = read_structured_report(made, UTC).narrative
    assert narrative
    return [paragraph.text for section in narrative.sections for paragraph in section.paragraphs]


def nested(levels: int) -> Dataset:
    inner = said(("T", "99ACME", "T"), "deep")
    for _ in range(levels):
        inner = item("CONTAINER", ("C", "99ACME", "C"), inner)
    return document(("X", "99ACME", "X"), [inner])


def test_a_deep_document_is_read_and_a_bottomless_one_is_refused() -> None:
    """As many levels as anyone needs, through JSON too; not a stack overflow beyond them."""
    report = read_structured_report(nested(DEEPEST - 2), UTC)
    assert StructuredReport.model_validate_json(report.model_dump_json()) == report
    for levels in (DEEPEST, 400):
        with pytest.raises(NotAStructuredReport, match="nested"):
            read_structured_report(nested(levels), UTC)


def test_what_is_no_document_is_refused() -> None:
    """An image has no content sequence."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2"
    with pytest.raises(NotAStructuredReport, match="no SR document"):
        read_structured_report(made, UTC)


def test_a_document_without_anything_is_one() -> None:
    """The SOP class alone says what it is; a private class is known by its content."""
    empty = Dataset()
    empty.SOPClassUID, empty.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.11", "1.2"
    report = read_structured_report(empty, UTC)
    assert (report.sop_instance_uid, report.groups, report.tree.children) == ("1.2", (), ())
    private = document(
        ("X", "99ACME", "X"), [said(("T", "99ACME", "T"), "text")], sop_class="1.3.12.2.1107.5.9.1"
    )
    assert narrative_of(private) == ["text"]

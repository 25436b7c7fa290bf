"""Content items of a dataset ↔ `ContentItem`, without loss (PS3.3 §C.17.3).

What the fields of a `ContentItem` do not tell exactly as it was sent stays beside them as DICOM JSON, and
wins when the item is written again.
"""

import math
from collections.abc import Iterable
from functools import cache
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.sequence import Sequence

from mappings.dicom.sr.attributes import (
    DEEPEST,
    Json,
    NestedTooDeep,
    as_json,
    items,
    put_json,
    text,
    texts,
)
from radflow.findings import ContentItem, Graphic, InstanceReference, Numeric
from radflow.model import CodedConcept

_TEXT_OF = {
    "TEXT": "TextValue", "PNAME": "PersonName", "UIDREF": "UID",
    "DATE": "Date", "TIME": "Time", "DATETIME": "DateTime",
}  # fmt: skip
"""A value type → where its value stands (PS3.3 table C.17.3-4)."""

_OF_THE_ROOT = ("ValueType", "ConceptNameCodeSequence", "ContinuityOfContent", "ContentTemplateSequence")
"""The root item shares its dataset with the document's header: these are its own."""

_CONTENT = 0x0040A730

Elements = dict[str, Json]
"""DICOM JSON of a dataset: an element by its tag."""

_MULTIPLE = ("CS", "DA", "DT", "LO", "SH", "TM", "UI")
"""VRs in which a backslash separates several values (PS3.5 §6.2)."""


def read_tree(document: Dataset) -> ContentItem:
    """The tree of an SR document, from its root.

    Raises:
        NestedTooDeep: no report needs so many levels, and no JSON reader would take them.
    """
    root = Dataset()
    for keyword in (*_OF_THE_ROOT, "ContentSequence"):
        if keyword in document:
            root[keyword] = document[keyword]
    return _item(root, depth=1)


def write_tree(item: ContentItem) -> Dataset:
    """The item as a dataset; `read_tree` gives back an equal tree."""
    dataset = Dataset()
    put_json(dataset, _told(item) | item.attributes)
    if item.children:
        dataset.ContentSequence = Sequence([write_tree(child) for child in item.children])
    return dataset


def read_reference(item: Dataset) -> InstanceReference:
    """An item of a Referenced SOP Sequence (0008,1199)."""
    return InstanceReference(
        sop_class_uid=text(item, "ReferencedSOPClassUID"),
        sop_instance_uid=text(item, "ReferencedSOPInstanceUID"),
        frames=_numbers(texts(item, "ReferencedFrameNumber")),
        segments=_numbers(texts(item, "ReferencedSegmentNumber")),
    )


def first_code(dataset: Dataset, keyword: str) -> CodedConcept | None:
    """The first code of a sequence of them (PS3.3 §8): CODE VALUE in its short, long or URN form."""
    item = next(iter(items(dataset, keyword)), None)
    if item is None:
        return None
    return CodedConcept(
        code=text(item, "CodeValue") or text(item, "LongCodeValue") or text(item, "URNCodeValue"),
        display=text(item, "CodeMeaning"),
        system=text(item, "CodingSchemeDesignator"),
    )


def _item(dataset: Dataset, depth: int) -> ContentItem:
    if depth > DEEPEST:
        raise NestedTooDeep
    children = tuple(_item(child, depth + 1) for child in items(dataset, "ContentSequence"))
    item = _read(dataset).model_copy(update={"children": children})
    told = _told(item)
    # An empty sequence of children is a child's absence, and told by the attributes.
    sent = as_json(dataset, without=frozenset({_CONTENT} if children else ()))
    rest = {tag: element for tag, element in sent.items() if told.get(tag) != element}
    return item.model_copy(update={"attributes": rest}) if rest else item


def _read(dataset: Dataset) -> ContentItem:
    value_type = text(dataset, "ValueType").strip()
    keyword = _TEXT_OF.get(value_type)
    template = next(iter(items(dataset, "ContentTemplateSequence")), Dataset())
    return ContentItem(
        relationship=text(dataset, "RelationshipType").strip(),
        value_type=value_type,
        concept=first_code(dataset, "ConceptNameCodeSequence"),
        text=text(dataset, keyword) if keyword and keyword in dataset else None,
        code=first_code(dataset, "ConceptCodeSequence"),
        numeric=_numeric(dataset),
        qualifier=first_code(dataset, "NumericValueQualifierCodeSequence"),
        references=tuple(read_reference(one) for one in items(dataset, "ReferencedSOPSequence")),
        graphic=_graphic(dataset),
        continuity=text(dataset, "ContinuityOfContent"),
        template=text(template, "TemplateIdentifier"),
        mapping_resource=text(template, "MappingResource"),
        observed=text(dataset, "ObservationDateTime"),
        observation_uid=text(dataset, "ObservationUID"),
        target=_numbers(texts(dataset, "ReferencedContentItemIdentifier")),
    )


def _numeric(dataset: Dataset) -> Numeric | None:
    if "MeasuredValueSequence" not in dataset:
        return None
    item = next(iter(items(dataset, "MeasuredValueSequence")), None)
    if item is None:
        return Numeric(measured=False)
    return Numeric(
        value=text(item, "NumericValue"),
        floating=text(item, "FloatingPointValue"),
        unit=first_code(item, "MeasurementUnitsCodeSequence"),
    )


def _graphic(dataset: Dataset) -> Graphic | None:
    if "GraphicType" not in dataset:
        return None
    return Graphic(
        type=text(dataset, "GraphicType"),
        data=_floats(texts(dataset, "GraphicData")),
        frame_of_reference_uid=text(dataset, "ReferencedFrameOfReferenceUID"),
    )


def _told(item: ContentItem) -> Elements:
    """What the fields of the item tell, without its children, as DICOM JSON."""
    told: Elements = {}
    _set(told, "RelationshipType", item.relationship)
    _set(told, "ValueType", item.value_type)
    _set_code(told, "ConceptNameCodeSequence", item.concept)
    if item.text is not None and item.value_type in _TEXT_OF:
        _put(told, _TEXT_OF[item.value_type], [item.text] if item.text else [])
    _set_code(told, "ConceptCodeSequence", item.code)
    if item.numeric:
        _put(told, "MeasuredValueSequence", _measured(item.numeric))
    _set_code(told, "NumericValueQualifierCodeSequence", item.qualifier)
    if item.references:
        _put(told, "ReferencedSOPSequence", [_reference(one) for one in item.references])
    if item.graphic:
        _put(told, "GraphicType", [item.graphic.type] if item.graphic.type else [])
        _set(told, "GraphicData", *(str(number) for number in item.graphic.data))
        _set(told, "ReferencedFrameOfReferenceUID", item.graphic.frame_of_reference_uid)
    _set(told, "ContinuityOfContent", item.continuity)
    if item.template or item.mapping_resource:
        template: Elements = {}
        _set(template, "MappingResource", item.mapping_resource)
        _set(template, "TemplateIdentifier", item.template)
        _put(told, "ContentTemplateSequence", [template])
    _set(told, "ObservationDateTime", item.observed)
    _set(told, "ObservationUID", item.observation_uid)
    _set(told, "ReferencedContentItemIdentifier", *item.target)
    return told


def _measured(numeric: Numeric) -> list[Elements]:
    if not numeric.measured:
        return []
    item: Elements = {}
    _set(item, "NumericValue", *numeric.value.split("\\"))
    _set(item, "FloatingPointValue", *numeric.floating.split("\\"))
    _set_code(item, "MeasurementUnitsCodeSequence", numeric.unit)
    return [item]


def _reference(reference: InstanceReference) -> Elements:
    item: Elements = {}
    _set(item, "ReferencedSOPClassUID", reference.sop_class_uid)
    _set(item, "ReferencedSOPInstanceUID", reference.sop_instance_uid)
    _set(item, "ReferencedFrameNumber", *(str(frame) for frame in reference.frames))
    _set(item, "ReferencedSegmentNumber", *reference.segments)
    return item


def _set_code(told: Elements, keyword: str, concept: CodedConcept | None) -> None:
    if concept is None:
        return
    item: Elements = {}
    # 16 characters are the most that Code Value holds (SH); a URI has an attribute of its own.
    urn = concept.code.startswith(("urn:", "http:", "https:"))
    value = "URNCodeValue" if urn else "LongCodeValue" if len(concept.code) > 16 else "CodeValue"
    _set(item, value, concept.code)
    _set(item, "CodingSchemeDesignator", concept.system)
    _set(item, "CodeMeaning", concept.display)
    _put(told, keyword, [item])


def _set(told: Elements, keyword: str, *values: Any) -> None:
    """Set the element where there is a value at all."""
    if any(value != "" for value in values):
        _put(told, keyword, list(values))


def _put(told: Elements, keyword: str, values: list[Any]) -> None:
    name, vr = _element(keyword)
    if vr == "PN":
        values = [_name_groups(value) for value in values]
    elif vr in _MULTIPLE:
        values = [one for value in values for one in value.split("\\")]
    told[name] = {"vr": vr, "Value": values} if values or vr == "SQ" else {"vr": vr}


def _name_groups(name: str) -> dict[str, str]:
    """A PN as DICOM JSON has it (PS3.18 §F.2.2)."""
    return dict(zip(("Alphabetic", "Ideographic", "Phonetic"), name.split("="), strict=False))


@cache
def _element(keyword: str) -> tuple[str, str]:
    """Its tag in eight hexadecimal digits, and its VR."""
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return f"{tag:08X}", dictionary_VR(tag)


def _numbers(values: Iterable[str]) -> tuple[int, ...]:
    return tuple(int(value) for value in values if value.isascii() and value.isdigit())


def _floats(values: Iterable[str]) -> tuple[float, ...]:
    """The numbers; none where one of them is no finite number, which JSON does not hold."""
    try:
        numbers = tuple(float(value) for value in values)
    except ValueError:
        return ()
    return numbers if all(math.isfinite(number) for number in numbers) else ()

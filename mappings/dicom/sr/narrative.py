"""The words of a document → TextReport (PS3.16 TID 2000, 2002 and whatever else has texts under headings)."""

from collections.abc import Iterable, Iterator

from mappings.dicom.sr.concepts import descendants
from mappings.dicom.sr.measured import REFERENCES
from radflow.findings import ContentItem, InstanceReference, Paragraph, Section, TextReport

_CONTENT = ("CONTAINS", "")
"""Relationships of what the document says; the others say how it came about."""


def narrative(root: ContentItem) -> TextReport | None:
    """The document's sections as they are read; None where it has no text of its own."""
    if not any(_is_text(item) for item in descendants(root)):
        return None
    section = _section(root)
    # The root's concept is the title, and no heading: what stands directly below it comes first.
    directly = Section(paragraphs=section.paragraphs, references=section.references)
    return TextReport(sections=tuple(one for one in (directly, *section.sections) if _has_content(one)))


def _section(container: ContentItem) -> Section:
    content = [child for child in container.children if child.relationship in _CONTENT]
    return Section(
        heading=container.concept,
        paragraphs=tuple(_paragraphs(content)),
        references=tuple(_references(content)),
        sections=tuple(
            section
            for section in (_section(child) for child in content if child.value_type == "CONTAINER")
            if _has_content(section)
        ),
    )


def _paragraphs(content: Iterable[ContentItem]) -> Iterator[Paragraph]:
    for item in content:
        if _is_text(item):
            yield Paragraph(concept=item.concept, text=item.text or "")
        elif item.value_type == "CODE" and item.code:
            yield Paragraph(concept=item.concept, text=item.code.display or item.code.code)


def _references(content: Iterable[ContentItem]) -> Iterator[InstanceReference]:
    """What a section shows, and what its paragraphs were inferred from."""
    for item in content:
        if item.value_type == "CONTAINER":
            continue
        for one in (item, *descendants(item)):
            if one.value_type in REFERENCES:
                yield from one.references


def _has_content(section: Section) -> bool:
    return bool(section.paragraphs or section.references or section.sections)


def _is_text(item: ContentItem) -> bool:
    return item.value_type == "TEXT" and item.relationship in _CONTENT and bool(item.text)

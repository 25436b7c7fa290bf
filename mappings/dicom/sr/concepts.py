"""Content items found by what they are: concept names as the standard's dictionaries have them."""

from collections.abc import Iterable, Iterator

from pydicom.sr.coding import Code

from radflow.findings import ContentItem
from radflow.model import CodedConcept

_OLD_DESIGNATORS = {"SNM3": "SRT", "99SDM": "SRT", "SNOMED-RT": "SRT", "SNOMED-CT": "SCT"}
"""What older devices write for SNOMED (PS3.16 §8); pydicom knows which SRT code is which SCT code."""


def means(concept: CodedConcept | None, *codes: Code) -> bool:
    """Whether the concept is one of these codes, whatever its meaning is worded like."""
    if concept is None:
        return False
    system = _OLD_DESIGNATORS.get(concept.system.strip(), concept.system.strip())
    sent = Code(concept.code.strip(), system, concept.display)
    return any(sent == code for code in codes)


def named(items: Iterable[ContentItem], *codes: Code) -> Iterator[ContentItem]:
    """Those items whose concept name is one of these codes."""
    return (item for item in items if means(item.concept, *codes))


def first_text(items: Iterable[ContentItem], *codes: Code) -> str:
    """The text of the first item of this name; empty where there is none."""
    return next((item.text.strip() for item in named(items, *codes) if item.text), "")


def first_code(items: Iterable[ContentItem], *codes: Code) -> CodedConcept | None:
    """The code of the first item of this name."""
    return next((item.code for item in named(items, *codes) if item.code), None)


def descendants(item: ContentItem) -> Iterator[ContentItem]:
    """Everything below the item, from top to bottom."""
    for child in item.children:
        yield child
        yield from descendants(child)


def follow(root: ContentItem, item: ContentItem) -> ContentItem:
    """The item itself, or the one that it refers to (PS3.3 §C.17.3.2.5).

    The reference is a path of positions, from 1 for the root; where it leads nowhere, the item stays as
    it is. The relationship stays that of the item that refers.
    """
    if not item.target or item.target[0] != 1:
        return item
    found = root
    for position in item.target[1:]:
        if not 1 <= position <= len(found.children):
            return item
        found = found.children[position - 1]
    return found.model_copy(update={"relationship": item.relationship})

"""Key Object Selection → KeyImages (PS3.16 TID 2010, PS3.3 §A.35.4)."""

from pydicom.sr.codedict import codes

from mappings.dicom.sr.concepts import descendants, first_text, named
from mappings.dicom.sr.measured import REFERENCES
from radflow.findings import ContentItem, KeyImages


def key_images(root: ContentItem) -> KeyImages:
    """What was selected, why, and in which words."""
    references = (
        reference
        for item in descendants(root)
        if item.value_type in REFERENCES
        for reference in item.references
    )
    modifiers = named(root.children, codes.DCM.DocumentTitleModifier)
    return KeyImages(
        title=root.concept,
        modifiers=tuple(item.code for item in modifiers if item.code),
        description=first_text(root.children, codes.DCM.KeyObjectDescription),
        references=tuple(dict.fromkeys(references)),
    )

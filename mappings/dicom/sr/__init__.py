"""DICOM SR documents → findings (PS3.3 §A.35, PS3.16): a file for each family of templates.

Everything is read from the tree of `content.py`, which takes what vendors really write: a missing template
identifier, an empty number or a private code is kept, never an error.
"""

from mappings.dicom.sr.document import (
    MODALITIES,
    SOP_CLASSES,
    NotAStructuredReport,
    is_sop_class,
    read_structured_report,
)

__all__ = ["MODALITIES", "SOP_CLASSES", "NotAStructuredReport", "is_sop_class", "read_structured_report"]

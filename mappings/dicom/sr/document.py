"""An SR document → StructuredReport (PS3.3 §A.35): its header, its findings and the whole tree."""

from datetime import tzinfo

from pydicom import Dataset
from pydicom.uid import KeyObjectSelectionDocumentStorage, UID_dictionary  # type: ignore[attr-defined]

from mappings.dicom.sr import header
from mappings.dicom.sr.attributes import NestedTooDeep, text
from mappings.dicom.sr.content import read_tree
from mappings.dicom.sr.dose import dose_summary, is_dose
from mappings.dicom.sr.key_images import key_images
from mappings.dicom.sr.measurement_groups import measurement_groups
from mappings.dicom.sr.narrative import narrative
from radflow.findings import StructuredReport

_FAMILY = "1.2.840.10008.5.1.4.1.1.88."
SOP_CLASSES = tuple(uid for uid in UID_dictionary if uid.startswith(_FAMILY))
"""Every SR Storage SOP Class of the standard, and Key Object Selection (PS3.4 §B.5)."""

MODALITIES = frozenset({"SR", "KO"})
"""Modality (0008,0060) of series that hold such documents."""


class NotAStructuredReport(ValueError):
    """The instance is no SR document, or its content cannot be decoded; says which, free of patient data."""


def is_sop_class(uid: str) -> bool:
    """Whether instances of this SOP class are SR documents; a vendor's private one is not known as such."""
    return uid.startswith(_FAMILY)


def read_structured_report(document: Dataset, zone: tzinfo) -> StructuredReport:
    """What the document says; local times in it are of this zone where it tells no offset.

    Raises:
        NotAStructuredReport: there is no content to be read; whatever else is odd in it is kept as it is.
    """
    if "ContentSequence" not in document and not is_sop_class(text(document, "SOPClassUID")):
        raise NotAStructuredReport("the instance has no Content Sequence (0040,A730): it is no SR document")
    try:
        return _read(document, header.zone_of(document, zone))
    except NestedTooDeep as error:
        raise NotAStructuredReport(str(error)) from error
    except RecursionError as error:
        raise NotAStructuredReport("the content is nested too deep to be decoded") from error


def _read(document: Dataset, zone: tzinfo) -> StructuredReport:
    root = read_tree(document)
    sop_class = text(document, "SOPClassUID")
    selects = sop_class == KeyObjectSelectionDocumentStorage or root.template == "2010"
    doses = not selects and is_dose(root)
    says = not selects and not doses
    return StructuredReport(
        sop_class_uid=sop_class,
        sop_instance_uid=text(document, "SOPInstanceUID"),
        study_instance_uid=text(document, "StudyInstanceUID"),
        series_instance_uid=text(document, "SeriesInstanceUID"),
        accession_numbers=header.accession_numbers(document),
        title=root.concept,
        template=root.template,
        completion=text(document, "CompletionFlag").strip(),
        verification=text(document, "VerificationFlag").strip(),
        preliminary=text(document, "PreliminaryFlag").strip(),
        written_at=header.written_at(document, zone),
        language=header.language(root),
        observers=header.observers(document, root),
        verifiers=header.verifiers(document, zone),
        predecessors=header.predecessors(document),
        evidence=header.evidence(document),
        groups=measurement_groups(root, zone) if says else (),
        dose=dose_summary(root, zone) if doses else None,
        key_images=key_images(root) if selects else None,
        narrative=narrative(root) if says else None,
        tree=root,
    )

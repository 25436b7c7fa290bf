"""A document in a report (OBX-5, ED: PDF, CDA) → DocumentReference (v2-to-FHIR: OBX[DocumentReference])."""

from collections.abc import Sequence

from mappings.fhir.codes import TERMINOLOGY
from mappings.fhir.datatypes import Element, codeable_concept, coding, filled, instant
from mappings.fhir.diagnostic_report import IMAGING_STUDY, attachment, report_status
from mappings.fhir.identifiers import own_identifier
from mappings.fhir.people import Who
from radflow.model import Attachment, Order, Report

_DOC_STATUS = {
    "registered": "preliminary", "partial": "preliminary", "preliminary": "preliminary", "final": "final",
    "corrected": "amended", "appended": "amended", "cancelled": "entered-in-error",
    "entered-in-error": "entered-in-error",
}  # fmt: skip
"""Status of the report → composition-status."""

_CDA = ("application/hl7-cda", "application/x-hl7-cda", "text/xml", "application/xml")


def document_reference(
    document: Attachment,
    number: int,
    report: Report,
    order: Order,
    *,
    subject: str,
    who: Who,
    encounter: str | None,
    related: Sequence[str],
    base: str,
) -> Element:
    """The document of this number in the report, from 1; the same number is the same document's new version.

    `related` refers to what it is about: the ServiceRequest and the images.
    """
    status = report_status(report)
    wrong = status in ("entered-in-error", "cancelled")
    return filled(
        {
            "resourceType": "DocumentReference",
            "identifier": [own_identifier("document", f"{order.key}/{number}", base)],
            "status": "entered-in-error" if wrong else "current",
            "docStatus": _DOC_STATUS.get(status),
            "type": codeable_concept(IMAGING_STUDY, base),
            "category": [
                {"coding": [coding("http://loinc.org", "LP29684-5", "Radiology")]},
            ],
            "subject": {"reference": subject},
            "date": instant(report.issued),
            "author": [who(report.interpreter)],
            "content": [
                {
                    "attachment": {**attachment(document), "creation": instant(report.issued)},
                    **_format(document),
                }
            ],
            "context": {
                "encounter": [{"reference": encounter}] if encounter else [],
                "related": [{"reference": reference} for reference in related],
            },
        }
    )


def _format(document: Attachment) -> Element:
    """What is to be known beside the media type: that an XML document of a report is a CDA."""
    if not document.content_type.startswith(_CDA):
        return {}
    return {"format": coding(f"{TERMINOLOGY}/media-type", "application/hl7-cda+xml", "HL7 CDA")}

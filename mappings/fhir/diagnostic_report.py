"""Report → DiagnosticReport (v2-to-FHIR: OBR[DiagnosticReport]; US Core: report and note exchange)."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime

from mappings.fhir.codes import diagnostic_report_status
from mappings.fhir.datatypes import Element, codeable_concept, filled, instant
from mappings.fhir.identifiers import order_identifiers, own_identifier
from mappings.fhir.practitioner import practitioner_reference
from radflow.model import Attachment, CodedConcept, Order, Report, Study

RADIOLOGY = [
    {"coding": [{"system": "http://loinc.org", "code": "LP29684-5", "display": "Radiology"}]},
    {
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/v2-0074",
                "code": "RAD",
                "display": "Radiology",
            }
        ]
    },
]
"""DiagnosticReport.category: US Core's category for notes, and HL7 table 0074 (OBR-24)."""

IMAGING_STUDY = CodedConcept(code="18748-4", display="Diagnostic imaging study", system="LN")
"""DiagnosticReport.code is required: LOINC's most general code where neither report nor order has one."""


def diagnostic_report(
    report: Report,
    order: Order,
    studies: Sequence[Study],
    *,
    subject: str,
    based_on: str,
    imaging_studies: Sequence[str],
    base: str,
) -> Element:
    """The newest version of the order's report. Its own identifier stays the same for every version."""
    return filled(
        {
            "resourceType": "DiagnosticReport",
            "identifier": [own_identifier("report", order.key, base), *order_identifiers(order, base)],
            "basedOn": [{"reference": based_on}],
            "status": diagnostic_report_status(report.status),
            "category": RADIOLOGY,
            "code": _code(report, order, base),
            "subject": {"reference": subject},
            "effectiveDateTime": instant(report.observed or _first_images(studies)),
            "issued": instant(report.issued),
            "resultsInterpreter": [practitioner_reference(report.interpreter, base)],
            "imagingStudy": [{"reference": reference} for reference in imaging_studies],
            # The narrative twice: as conclusion for those who read no attachment, unabridged as a document.
            "conclusion": report.text,
            "presentedForm": [_narrative(report.text), *map(_attachment, report.attachments)],
        }
    )


def _code(report: Report, order: Order, base: str) -> Element:
    candidates = (report.code, order.procedure, IMAGING_STUDY)
    return next(filter(None, (codeable_concept(candidate, base) for candidate in candidates)))


def _first_images(studies: Sequence[Study]) -> datetime | None:
    return min((study.started for study in studies if study.started), default=None)


def _narrative(text: str) -> Element:
    if not text.strip():
        return {}
    return {"contentType": "text/plain; charset=utf-8", "data": b64encode(text.encode()).decode()}


def _attachment(attachment: Attachment) -> Element:
    """A document as it was sent (OBX-5, ED); base64 without the line breaks that HL7 may put into it."""
    return {"contentType": attachment.content_type, "data": "".join(attachment.data.split())}

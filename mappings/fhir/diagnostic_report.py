"""Report → DiagnosticReport (v2-to-FHIR: OBR[DiagnosticReport]; US Core: report and note exchange)."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime

from mappings.fhir.codes import diagnostic_report_status
from mappings.fhir.datatypes import Element, codeable_concept, filled, instant, terminology
from mappings.fhir.identifiers import order_identifiers, own_identifier
from mappings.fhir.people import Who, practitioner_reference
from radflow.model import Attachment, CodedConcept, Order, Practitioner, Report, Study

RADIOLOGY_NOTE = {"coding": [{"system": "http://loinc.org", "code": "LP29684-5", "display": "Radiology"}]}
"""DiagnosticReport.category: US Core's category for notes."""

IMAGING_STUDY = CodedConcept(code="18748-4", display="Diagnostic imaging study", system="LN")
"""DiagnosticReport.code is required: LOINC's most general code where neither report nor order has one."""

PERFORMER_FUNCTION = "http://hl7.org/fhir/StructureDefinition/event-performerFunction"


def diagnostic_report(
    report: Report,
    order: Order,
    studies: Sequence[Study],
    *,
    subject: str,
    based_on: str,
    imaging_studies: Sequence[str],
    base: str,
    who: Who | None = None,
    encounter: str | None = None,
    results: Sequence[str] = (),
) -> Element:
    """The newest version of the order's report. Its own identifier stays the same for every version.

    Args:
        report: the version that came last.
        order: what it reports.
        studies: its images: they date a report that tells no time itself.
        subject: refers to the Patient.
        based_on: refers to the ServiceRequest.
        imaging_studies: refer to the ImagingStudies.
        base: the site's URI for systems of identifiers.
        who: refers to physicians; by identifier and name where it is left out.
        encounter: refers to the Encounter.
        results: refer to the Observations.
    """

    def refer(physician: Practitioner) -> Element:
        return who(physician) if who else practitioner_reference(physician, base)

    return filled(
        {
            "resourceType": "DiagnosticReport",
            "identifier": [own_identifier("report", order.key, base), *order_identifiers(order, base)],
            "basedOn": [{"reference": based_on}],
            "status": report_status(report),
            "category": [RADIOLOGY_NOTE, terminology("v2-0074", report.section or "RAD", _section(report))],
            "code": _code(report, order, base),
            "subject": {"reference": subject},
            "encounter": {"reference": encounter} if encounter else None,
            **_effective(report, studies),
            "issued": instant(report.issued),
            "performer": [
                *(_doing(refer(one), "SPRF", "secondary performer") for one in report.technicians),
                *(_doing(refer(one), "TRANS", "Transcriber") for one in report.transcriptionists),
            ],
            "resultsInterpreter": [refer(report.interpreter), *map(refer, report.assistant_interpreters)],
            "result": [{"reference": reference} for reference in results],
            "imagingStudy": [{"reference": reference} for reference in imaging_studies],
            # The narrative twice: as conclusion for those who read no attachment, unabridged as a document.
            "conclusion": report.text,
            "presentedForm": [_narrative(report), *map(attachment, report.attachments)],
        }
    )


def report_status(report: Report) -> str:
    """OBR-25; but withdrawn by OBX-11 it is `entered-in-error`, and final with an addendum `appended`."""
    if report.withdrawn:
        return "entered-in-error"
    status = diagnostic_report_status(report.status)
    return "appended" if report.appended and status == "final" else status


def attachment(given: Attachment) -> Element:
    """A document as it was sent (OBX-5, ED); base64 without the line breaks that HL7 may put into it."""
    return {"contentType": given.content_type, "data": "".join(given.data.split())}


def _section(report: Report) -> str:
    """The name of the section (HL7 table 0074); of a site's own section the code has to be enough."""
    return "Radiology" if report.section in ("", "RAD") else ""


def _code(report: Report, order: Order, base: str) -> Element:
    candidates = (report.code, order.procedure, IMAGING_STUDY)
    return next(filter(None, (codeable_concept(candidate, base) for candidate in candidates)))


def _effective(report: Report, studies: Sequence[Study]) -> Element:
    """OBR-7 and OBR-8, or else when the first images were made."""
    if report.observed and report.ended and report.ended > report.observed:
        return {"effectivePeriod": {"start": instant(report.observed), "end": instant(report.ended)}}
    return {"effectiveDateTime": instant(report.observed or _first_images(studies))}


def _first_images(studies: Sequence[Study]) -> datetime | None:
    return min((study.started for study in studies if study.started), default=None)


def _doing(reference: Element, function: str, display: str) -> Element:
    """DiagnosticReport.performer has no role of its own in R4."""
    if not reference:
        return {}
    role = terminology("v3-ParticipationType", function, display)
    return {"extension": [{"url": PERFORMER_FUNCTION, "valueCodeableConcept": role}], **reference}


def _narrative(report: Report) -> Element:
    """The text, and the comments (NTE) that R4 has no other place for."""
    text = "\n\n".join(part for part in (report.text, *report.notes) if part.strip())
    if not text:
        return {}
    return {"contentType": "text/plain; charset=utf-8", "data": b64encode(text.encode()).decode()}

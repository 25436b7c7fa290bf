"""DICOM SR in words → Report: PS3.16 TID 2000 and its like, where a site takes them for its reports.

| Report | SR document |
|---|---|
| status (OBR-25) | Completion Flag (0040,A491), Verification Flag (0040,A493), by table |
| text | the narrative: headings and paragraphs |
| code | Concept Name (0040,A043) of the root |
| issued | Verification DateTime (0040,A030), else Content Date and Time (0008,0023; 0008,0033) |
| interpreter | Verifying Observer (0040,A073), else Person Observer (121008, DCM) |
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from pydicom.sr.codedict import codes

from mappings.dicom.names import from_pn
from mappings.tables import PACKAGED
from radflow.findings import Observer, StructuredReport
from radflow.model import CodedConcept, Order, Practitioner, Report

_STORED = "R"
"""HL7 table 0123: results stored, not yet verified. So is taken what says nothing of itself."""
_NEVER = datetime.min.replace(tzinfo=UTC)
_MEASUREMENTS = codes.DCM.ImagingMeasurementReport.value


def report_in(documents: Iterable[StructuredReport], order: Order) -> Report | None:
    """The newest report in words among these documents; None where there is none.

    What another one names as its predecessor (0040,A360) is replaced by that. Measurements with comments
    (TID 1500) are no report, nor are doses and key images.
    """
    found = list(documents)
    replaced = {one.instance.sop_instance_uid for document in found for one in document.predecessors}
    worded = [one for one in found if _is_report(one) and one.sop_instance_uid not in replaced]
    newest = max(worded, key=lambda one: (one.written_at or _NEVER, one.sop_instance_uid), default=None)
    return _report(newest, order) if newest else None


def _is_report(document: StructuredReport) -> bool:
    measures = document.template == "1500" or (document.title or CodedConcept()).code == _MEASUREMENTS
    return document.narrative is not None and not measures


def _report(document: StructuredReport, order: Order) -> Report:
    assert document.narrative
    verified = [one.verified_at for one in document.verifiers if one.verified_at]
    people = [one for one in (*document.verifiers, *document.observers) if one.name and not one.device]
    return Report(
        source="sr",
        site=order.site,
        placer_order_number=order.placer_order_number,
        filler_order_number=order.filler_order_number,
        accession_number=order.accession_number,
        study_instance_uid=document.study_instance_uid,
        status=_status(document),
        code=document.title or CodedConcept(),
        issued=max(verified, default=document.written_at),
        interpreter=_who(people[0]) if people else Practitioner(),
        text=document.narrative.text,
    )


def _status(document: StructuredReport) -> str:
    if document.preliminary == "PRELIMINARY":
        return "P"
    status = PACKAGED.code("sr-report-status", f"{document.completion}/{document.verification}") or _STORED
    return "C" if status == "F" and document.predecessors else status


def _who(observer: Observer) -> Practitioner:
    return Practitioner(name=from_pn(observer.name))

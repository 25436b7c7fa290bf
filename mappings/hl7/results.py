"""Report → ORU^R01 v2.5.1 for those who placed the order (IHE RAD-28), built by hl7apy.

`mappings.hl7.reports` reads the same report back from it.
"""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from hl7apy.core import Message

from mappings.hl7 import times
from mappings.hl7.encoding import ce, components, cx, dt, ei, ndl, text, xpn
from mappings.hl7.reports import STUDY
from mappings.hl7.written_segments import Envelope
from radflow.model import Attachment, CodedConcept, Order, Report

_NARRATIVE = "18748-4^Diagnostic imaging study^LN"


def result_message(order: Order, report: Report, envelope: Envelope) -> bytes:
    """The newest version of the order's report, UTF-8."""
    message = Message("ORU_R01", version="2.5.1")
    _header(message.msh, envelope)
    result = message.add_group("ORU_R01_PATIENT_RESULT")
    _patient(result.add_group("ORU_R01_PATIENT").pid, order)
    observations = result.add_group("ORU_R01_ORDER_OBSERVATION")
    _order(observations.obr, order, report, envelope.zone)
    for number, (value_type, name, value) in enumerate(_observations(order, report), start=1):
        obx = observations.add_group("ORU_R01_OBSERVATION").obx
        obx.obx_1, obx.obx_2, obx.obx_3 = str(number), value_type, name
        if value:
            obx.obx_5 = value
        obx.obx_11 = text(report.status)
    er7: str = message.to_er7()
    return er7.encode() + b"\r"


def _header(msh: Any, envelope: Envelope) -> None:
    msh.msh_3, msh.msh_4 = map(text, envelope.sending)
    msh.msh_5, msh.msh_6 = map(text, envelope.receiving)
    msh.msh_7 = times.from_utc(envelope.now, envelope.zone)
    msh.msh_9 = "ORU^R01^ORU_R01"
    msh.msh_10, msh.msh_11 = envelope.control_id, "P"
    msh.msh_18 = "UNICODE UTF-8"


def _patient(pid: Any, order: Order) -> None:
    patient = order.patient
    pid.pid_1 = "1"
    _repeat(pid, "pid_3", [cx(identifier) for identifier in patient.identifiers])
    _repeat(pid, "pid_5", xpn(patient.name))
    pid.pid_7 = dt(patient.birth_date)
    pid.pid_8 = text(patient.sex)


def _order(obr: Any, order: Order, report: Report, zone: ZoneInfo) -> None:
    obr.obr_1 = "1"
    obr.obr_2 = ei(order.placer_order_number)
    obr.obr_3 = ei(order.filler_order_number)
    obr.obr_4 = ce(report.code if report.code != CodedConcept() else order.procedure)
    obr.obr_7 = times.from_utc(report.observed, zone)
    obr.obr_18 = text(order.accession_number)
    obr.obr_19 = text(order.requested_procedure_id)
    obr.obr_22 = times.from_utc(report.issued, zone)
    obr.obr_25 = text(report.status)
    obr.obr_32 = ndl(report.interpreter)


def _observations(order: Order, report: Report) -> list[tuple[str, str, str]]:
    """OBX-2, OBX-3 and OBX-5: the study, the narrative line by line, the documents."""
    study = ("ST", f"{STUDY}^DICOM Study^DCM", text(order.study_instance_uid))
    lines = report.text.split("\n") if report.text else []
    return [
        study,
        *(("TX", _NARRATIVE, text(line)) for line in lines),
        *(("ED", _NARRATIVE, _ed(attachment)) for attachment in report.attachments),
    ]


def _repeat(segment: Any, field: str, values: Sequence[str]) -> None:
    for value in values:
        segment.add_field(field).value = value


def _ed(attachment: Attachment) -> str:
    main, _, subtype = attachment.content_type.partition("/")
    return components("", main, subtype, "Base64", "".join(attachment.data.split()))

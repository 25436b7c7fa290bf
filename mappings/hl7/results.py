"""Report → ORU^R01 v2.5.1 for those who placed the order (IHE RAD-28), built by hl7apy.

`mappings.hl7.reports` reads the same report back from it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hl7apy.core import Message

from mappings.hl7 import times
from mappings.hl7.ack import escape
from mappings.hl7.reader import Delimiters
from mappings.hl7.reports import STUDY
from radflow.model import Attachment, CodedConcept, Identifier, Order, PersonName, Practitioner, Report

_D = Delimiters()
_NARRATIVE = "18748-4^Diagnostic imaging study^LN"


def result_message(
    order: Order,
    report: Report,
    *,
    control_id: str,
    now: datetime,
    zone: ZoneInfo,
    sending: tuple[str, str],
    receiving: tuple[str, str],
) -> bytes:
    """The newest version of the order's report, UTF-8.

    Args:
        control_id: MSH-10, the same whenever this version is sent again.
        zone: times are written in it, with their offset.
        sending: application and facility (MSH-3, MSH-4).
        receiving: application and facility (MSH-5, MSH-6).
    """
    message = Message("ORU_R01", version="2.5.1")
    _header(message.msh, control_id, now.astimezone(zone), sending, receiving)
    result = message.add_group("ORU_R01_PATIENT_RESULT")
    _patient(result.add_group("ORU_R01_PATIENT").pid, order)
    observations = result.add_group("ORU_R01_ORDER_OBSERVATION")
    _order(observations.obr, order, report, zone)
    for number, (value_type, name, value) in enumerate(_observations(order, report), start=1):
        obx = observations.add_group("ORU_R01_OBSERVATION").obx
        obx.obx_1, obx.obx_2, obx.obx_3 = str(number), value_type, name
        if value:
            obx.obx_5 = value
        obx.obx_11 = _text(report.status)
    er7: str = message.to_er7()
    return er7.encode() + b"\r"


def _header(
    msh: Any, control_id: str, now: datetime, sending: tuple[str, str], receiving: tuple[str, str]
) -> None:
    msh.msh_3, msh.msh_4 = map(_text, sending)
    msh.msh_5, msh.msh_6 = map(_text, receiving)
    msh.msh_7 = f"{now:%Y%m%d%H%M%S%z}"
    msh.msh_9 = "ORU^R01^ORU_R01"
    msh.msh_10, msh.msh_11 = control_id, "P"
    msh.msh_18 = "UNICODE UTF-8"


def _patient(pid: Any, order: Order) -> None:
    patient = order.patient
    pid.pid_1 = "1"
    _repeat(pid, "pid_3", [_cx(identifier) for identifier in patient.identifiers])
    _repeat(pid, "pid_5", _xpn(patient.name))
    pid.pid_7 = f"{patient.birth_date:%Y%m%d}" if patient.birth_date else ""
    pid.pid_8 = _text(patient.sex)


def _order(obr: Any, order: Order, report: Report, zone: ZoneInfo) -> None:
    obr.obr_1 = "1"
    obr.obr_2 = _ei(order.placer_order_number)
    obr.obr_3 = _ei(order.filler_order_number)
    obr.obr_4 = _ce(report.code if report.code != CodedConcept() else order.procedure)
    obr.obr_7 = times.from_utc(report.observed, zone)
    obr.obr_18 = _text(order.accession_number)
    obr.obr_19 = _text(order.requested_procedure_id)
    obr.obr_22 = times.from_utc(report.issued, zone)
    obr.obr_25 = _text(report.status)
    obr.obr_32 = _ndl(report.interpreter)


def _observations(order: Order, report: Report) -> list[tuple[str, str, str]]:
    """OBX-2, OBX-3 and OBX-5: the study, the narrative line by line, the documents."""
    study = ("ST", f"{STUDY}^DICOM Study^DCM", _text(order.study_instance_uid))
    lines = report.text.split("\n") if report.text else []
    return [
        study,
        *(("TX", _NARRATIVE, _text(line)) for line in lines),
        *(("ED", _NARRATIVE, _ed(attachment)) for attachment in report.attachments),
    ]


def _repeat(segment: Any, field: str, values: Sequence[str]) -> None:
    for value in values:
        segment.add_field(field).value = value


def _text(value: str) -> str:
    return escape(value, _D)


def _components(*values: str, delimiter: str = "^") -> str:
    return delimiter.join(map(_text, values)).rstrip(delimiter)


def _ei(identifier: Identifier | None) -> str:
    return _components(identifier.value, identifier.assigner) if identifier else ""


def _cx(identifier: Identifier) -> str:
    return _components(identifier.value, "", "", identifier.assigner)


def _ce(concept: CodedConcept) -> str:
    return _components(concept.code, concept.display, concept.system)


def _xpn(name: PersonName) -> list[str]:
    """XPN, with a repetition for each other representation (XPN-8)."""
    repetitions = [_components(name.family, name.given, name.middle, name.suffix, name.prefix)]
    for group, code in ((name.ideographic, "I"), (name.phonetic, "P")):
        family, given, middle, prefix, suffix = [*group.split("^"), "", "", "", ""][:5]
        if group:
            repetitions.append(_components(family, given, middle, suffix, prefix, "", "", code))
    return [repetition for repetition in repetitions if repetition]


def _ndl(practitioner: Practitioner) -> str:
    """NDL: its first component a CNN, in subcomponents."""
    number, name = practitioner.identifier, practitioner.name
    return _components(
        number.value if number else "", name.family, name.given, name.middle, name.suffix, name.prefix,
        "", "", number.assigner if number else "", delimiter="&",
    )  # fmt: skip


def _ed(attachment: Attachment) -> str:
    main, _, subtype = attachment.content_type.partition("/")
    return _components("", main, subtype, "Base64", "".join(attachment.data.split()))

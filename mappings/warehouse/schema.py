"""The warehouse's tables: every column with its type and meaning. docs/warehouse.md is made from this.

`site` and `day` are in the path alone: a column that is in both has two types for most readers.
"""

from dataclasses import dataclass
from typing import Literal

SCHEMA_VERSION = 1
"""Raised when a column changes its meaning or goes; it is in the path, so that both stand side by side."""

Type = Literal["string", "time", "int", "float", "bool"]
Kind = Literal["plain", "identifier", "text"]


@dataclass(frozen=True)
class Column:
    """A column. Identifiers and free text are null unless the site wants them (`[warehouse]`)."""

    name: str
    type: Type
    meaning: str
    kind: Kind = "plain"
    required: bool = False


@dataclass(frozen=True)
class Table:
    """A table; a new column goes to its end."""

    name: str
    meaning: str
    columns: tuple[Column, ...]


def _plain(name: str, type_: Type, meaning: str) -> Column:
    return Column(name, type_, meaning)


def _required(name: str, type_: Type, meaning: str) -> Column:
    return Column(name, type_, meaning, required=True)


def _identifier(name: str, meaning: str) -> Column:
    return Column(name, "string", meaning, "identifier")


def _text(name: str, meaning: str) -> Column:
    return Column(name, "string", meaning, "text")


_ORDER_KEY = _required("order_key", "string", "The order, a pseudonym: it joins the tables")
_MODALITY = _plain("modality", "string", "Modality (0008,0060)")
_PRIORITY = _plain("priority", "string", "Requested Procedure Priority (0040,1003)")
_STUDY = _identifier("study_instance_uid", "Study Instance UID (0020,000D)")

ORDERS = Table("orders", "A row for each order", (
    _ORDER_KEY, _MODALITY, _PRIORITY,
    _plain("procedure_code", "string", "Requested procedure (OBR-4.1)"),
    _plain("procedure_system", "string", "Its coding system (OBR-4.3)"),
    _text("procedure_text", "Its name (OBR-4.2)"),
    _text("reason", "Reason for the procedure (OBR-31)"),
    _required("state", "string", "Where the order stands"),
    _plain("report_status", "string", "FHIR DiagnosticReport.status of the report that counts"),
    _plain("patient_class", "string", "Patient class (PV1-2), HL7 table 0004"),
    _plain("patient_sex", "string", "Administrative sex (PID-8), HL7 table 0001"),
    _plain("patient_age", "int", "Years at the time of the order; 90 stands for 90 and more"),
    _identifier("patient_id", "Patient identifier (PID-3.1), with its assigner"),
    _identifier("placer_order_number", "Placer order number (ORC-2.1)"),
    _identifier("filler_order_number", "Filler order number (ORC-3.1)"),
    _identifier("accession_number", "Accession Number (0008,0050)"),
    _STUDY,
    _plain("requested_at", "time", "When the order was requested (ORC-9, OBR-27)"),
    _plain("scheduled_at", "time", "Scheduled Procedure Step Start (0040,0002; 0040,0003)"),
    *(_plain(f"{stage}_at", "time", f"When it was first {stage}")
      for stage in ("received", "worklisted", "acquired", "reported", "published")),
    _plain("series", "int", "Series of its studies; null while an archive has not told"),
    _plain("instances", "int", "Instances of its studies; null while an archive has not told"),
    _required("attention", "bool", "Whether it needs a person"),
    _required("updated_at", "time", "When the store last changed the order"),
))  # fmt: skip

EVENTS = Table("events", "A row for each line of an order's log", (
    _ORDER_KEY,
    _required("event_id", "int", "Number of the line, rising"),
    _required("event", "string", "What has happened"),
    _plain("step", "string", "The step that was done or has failed"),
    _required("occurred_at", "time", "When"),
    _required("source", "string", "What kind of source says so: message, archive, leg, person, …"),
))  # fmt: skip

TURNAROUND = Table("turnaround", "A row for each stage that an order has reached or is waiting for", (
    _ORDER_KEY, _MODALITY, _PRIORITY,
    _required("stage", "string", "worklisted, acquired, reported, published; total is from received on"),
    _required("started_at", "time", "When the stage before it was reached"),
    _plain("ended_at", "time", "When it was reached; null while it is waited for"),
    _plain("seconds", "float", "How long it took; null while it is waited for"),
    _plain("limit_seconds", "float", "How long the site allows ([[turnaround]]); null for no limit"),
    _required("overdue", "bool", "Whether it took, or has taken until it was written, longer than that"),
))  # fmt: skip

STUDIES = Table("studies", "A row for each study of an order, and for each historic study without one", (
    _plain("order_key", "string", "The order; null for a historic study that was imported"),
    _STUDY,
    _required("archive", "string", "The archive that has shown it"),
    _identifier("accession_number", "Accession Number (0008,0050)"),
    _plain("modalities", "string", "Modalities in Study (0008,0061), with a backslash between two"),
    _text("description", "Study Description (0008,1030)"),
    _plain("started_at", "time", "Study Date and Time (0008,0020; 0008,0030)"),
    _plain("series", "int", "Number of series; null while not told"),
    _plain("instances", "int", "Number of instances; null while not told"),
    _required("available", "bool", "Whether an archive still has it"),
))  # fmt: skip

SERIES = Table("series", "A row for each series of a study", (
    _plain("order_key", "string", "The order; null for a historic study that was imported"),
    _STUDY,
    _identifier("series_instance_uid", "Series Instance UID (0020,000E)"),
    _MODALITY,
    _plain("number", "int", "Series Number (0020,0011)"),
    _text("description", "Series Description (0008,103E)"),
    _plain("body_part", "string", "Body Part Examined (0018,0015)"),
    _plain("laterality", "string", "Laterality (0020,0060)"),
    _plain("started_at", "time", "Series Date and Time (0008,0021; 0008,0031)"),
    _plain("instances", "int", "Number of instances; null while not told"),
))  # fmt: skip

REPORTS = Table("reports", "A row for each version of an order's report", (
    _ORDER_KEY,
    _required("version", "int", "1 for the first that came"),
    _plain("status", "string", "FHIR DiagnosticReport.status (OBR-25)"),
    _plain("code", "string", "Universal Service Identifier (OBR-4.1)"),
    _plain("code_system", "string", "Its coding system (OBR-4.3)"),
    _plain("observed_at", "time", "Observation time (OBR-7)"),
    _plain("issued_at", "time", "When results were reported (OBR-22)"),
    _required("received_at", "time", "When radflow received it"),
    _identifier("interpreter_id", "Principal result interpreter (OBR-32)"),
    _required("characters", "int", "Length of its text"),
    _required("attachments", "int", "Documents inside it (OBX-5 ED)"),
    _text("text", "Its text (OBX-5 TX, FT, ST)"),
    _required("source", "string", "hl7, fhir or sr: what has brought it"),
))  # fmt: skip

FINDINGS = Table("findings", "A row for each measurement or judgement of its DICOM SR documents and report", (
    _ORDER_KEY, _STUDY,
    _identifier("sop_instance_uid", "SOP Instance UID (0008,0018) of the document; null for OBX"),
    _plain("template", "string", "Template Identifier (0040,DB00)"),
    _required("group", "int", "What belongs together has one number in a document; -1: the dose"),
    _required("kind", "string", "measurement, evaluation or dose"),
    _required("code", "string", "What was measured or judged (0040,A043; OBX-3)"),
    _required("code_system", "string", "Its coding scheme"),
    _plain("name", "string", "Its code meaning"),
    _plain("value", "float", "The number"),
    _plain("unit", "string", "Its unit, UCUM (OBX-6)"),
    _plain("value_code", "string", "The coded judgement (0040,A168; OBX-5)"),
    _plain("value_system", "string", "Its coding scheme"),
    _plain("finding_code", "string", "What was found (121071, DCM)"),
    _plain("finding_system", "string", "Its coding scheme"),
    _plain("site_code", "string", "Finding Site (363698007, SCT)"),
    _plain("site_system", "string", "Its coding scheme"),
    _plain("laterality_code", "string", "Laterality (272741003, SCT)"),
    _identifier("tracking_uid", "Tracking Unique Identifier (112040, DCM)"),
    _text("tracking_id", "Tracking Identifier (112039, DCM)"),
    _text("value_text", "The judgement in words, or a range or ratio"),
    _required("source", "string", "sr: a DICOM SR document; obx: an OBX of the report that counts"),
    _plain("comparator", "string", "<, <=, > or >= before the number (SN-1)"),
))  # fmt: skip

MESSAGES = Table("messages", "A row for each HL7 message that came, by the UTC day on which it did", (
    _required("message_id", "int", "Its number in the store"),
    _required("received_at", "time", "When it came"),
    _required("message_type", "string", "MSH-9.1 ^ MSH-9.2"),
    _plain("version", "string", "MSH-12"),
    _plain("sender", "string", "MSH-3 | MSH-4"),
    _identifier("control_id", "MSH-10"),
    _required("state", "string", "What has become of it"),
    _required("ack_code", "string", "MSA-1 of the answer"),
    _required("bytes", "int", "Its length"),
    _required("copies", "int", "How often it came"),
    _plain("processed_at", "time", "When it was processed"),
    _text("reason", "Why it is set aside"),
))  # fmt: skip

TABLES: tuple[Table, ...] = (ORDERS, EVENTS, TURNAROUND, STUDIES, SERIES, REPORTS, FINDINGS, MESSAGES)

OF_ORDERS: tuple[Table, ...] = TABLES[:-1]
"""Those whose rows are of an order, and whose day is the UTC day on which that was received."""

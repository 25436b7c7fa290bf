"""An order's life as rows for analysts, one function a table; `Privacy` says what of them is let through."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from mappings.fhir.codes import diagnostic_report_status
from mappings.warehouse.findings import finding_rows, observation_rows
from mappings.warehouse.privacy import Row
from mappings.warehouse.stages import STAGES, Limits, stages_of
from radflow.findings import StructuredReport
from radflow.model import Identifier, Order, Patient, Report, Series, Study
from radflow.order import State

OLDEST = 90
"""Ages above 89 identify a person (45 CFR 164.514(b)(2)(i)(C)): they are one group."""


@dataclass(frozen=True)
class Event:
    """A line of the order's log."""

    id: int
    event: str
    step: str | None
    occurred_at: datetime
    source: str


@dataclass(frozen=True)
class Life:
    """All that is known of an order."""

    order: Order
    state: State
    reached: Mapping[str, datetime]
    """When each stage was first reached; one that was not is absent."""
    events: Sequence[Event]
    studies: Sequence[Study]
    reports: Sequence[tuple[datetime, Report]]
    """Every version with the time at which it was received, oldest first."""
    report: Report | None
    """The version that counts."""
    documents: Sequence[StructuredReport]
    attention: bool
    updated_at: datetime


def rows_of(life: Life, *, limits: Limits, now: datetime) -> dict[str, list[Row]]:
    """Table → the order's rows in it, none where it has none."""
    return {
        "orders": [_order_row(life)],
        "events": [_event_row(life.order.key, event) for event in life.events],
        "turnaround": list(_turnaround_rows(life, limits, now)),
        "studies": [study_row(study, life.order.key) for study in life.studies],
        "series": [row for study in life.studies for row in series_rows(study, life.order.key)],
        "reports": [
            _report_row(life.order.key, number, received_at, report)
            for number, (received_at, report) in enumerate(life.reports, 1)
        ],
        "findings": list(_finding_rows(life)),
    }


def _order_row(life: Life) -> Row:
    order = life.order
    return {
        "order_key": order.key,
        "modality": order.modality,
        "priority": order.priority or None,
        "procedure_code": order.procedure.code or None,
        "procedure_system": order.procedure.system or None,
        "procedure_text": order.procedure.display or None,
        "reason": order.reason or None,
        "state": str(life.state),
        # The code of FHIR, which is the same whatever HL7 version the report came in.
        "report_status": diagnostic_report_status(life.report.status) if life.report else None,
        "patient_class": order.patient_class or None,
        "patient_sex": order.patient.sex or None,
        "patient_age": _age(order.patient, (order.requested_at or life.updated_at).date()),
        "patient_id": _qualified(order.patient.identifiers[0] if order.patient.identifiers else None),
        "placer_order_number": _value(order.placer_order_number),
        "filler_order_number": _value(order.filler_order_number),
        "accession_number": order.accession_number or None,
        "study_instance_uid": order.study_instance_uid,
        "requested_at": order.requested_at,
        "scheduled_at": order.steps[0].start,
        **{f"{stage}_at": life.reached.get(stage) for stage in STAGES},
        "series": _total([_series_count(study) for study in life.studies]),
        "instances": _total([_instance_count(study) for study in life.studies]),
        "attention": life.attention,
        "updated_at": life.updated_at,
    }


def _event_row(order_key: str, event: Event) -> Row:
    return {
        "order_key": order_key,
        "event_id": event.id,
        "event": event.event,
        "step": event.step,
        "occurred_at": event.occurred_at,
        # `person:name` becomes `person`.
        "source": event.source.partition(":")[0].partition("-")[0],
    }


def _turnaround_rows(life: Life, limits: Limits, now: datetime) -> Iterator[Row]:
    order = life.order
    for stage in stages_of(life.reached, life.state):
        limit = limits(stage.name, order.modality, order.priority)
        yield {
            "order_key": order.key,
            "modality": order.modality,
            "priority": order.priority or None,
            "stage": stage.name,
            "started_at": stage.started_at,
            "ended_at": stage.ended_at,
            "seconds": stage.seconds,
            "limit_seconds": limit,
            "overdue": stage.overdue(limit, now),
        }


def _finding_rows(life: Life) -> Iterator[Row]:
    for document in life.documents:
        yield from finding_rows(document, life.order.key)
    if life.report:
        yield from observation_rows(life.report, life.order.key)


def study_row(study: Study, order_key: str | None) -> Row:
    """A study; of no order where it was imported from an archive's history."""
    return {
        "order_key": order_key,
        "study_instance_uid": study.study_instance_uid,
        "archive": study.archive,
        "accession_number": study.accession_number or None,
        "modalities": "\\".join(study.modalities) or None,
        "description": study.description or None,
        "started_at": study.started,
        "series": _series_count(study),
        "instances": _instance_count(study),
        "available": study.available,
    }


def series_rows(study: Study, order_key: str | None) -> list[Row]:
    """The series of a study, as far as its archive has told of them."""
    return [_series_row(study, series, order_key) for series in study.series]


def _series_row(study: Study, series: Series, order_key: str | None) -> Row:
    return {
        "order_key": order_key,
        "study_instance_uid": study.study_instance_uid,
        "series_instance_uid": series.series_instance_uid,
        "modality": series.modality or None,
        "number": series.number,
        "description": series.description or None,
        "body_part": series.body_part or None,
        "laterality": series.laterality or None,
        "started_at": series.started,
        "instances": len(series.instances) or None,
    }


def _report_row(order_key: str, version: int, received_at: datetime, report: Report) -> Row:
    return {
        "order_key": order_key,
        "version": version,
        "status": diagnostic_report_status(report.status),
        "code": report.code.code or None,
        "code_system": report.code.system or None,
        "observed_at": report.observed,
        "issued_at": report.issued,
        "received_at": received_at,
        "interpreter_id": _value(report.interpreter.identifier),
        "characters": len(report.text),
        "attachments": len(report.attachments),
        "text": report.text or None,
        "source": report.source,
    }


def _value(identifier: Identifier | None) -> str | None:
    return identifier.value if identifier else None


def _qualified(identifier: Identifier | None) -> str | None:
    """With its assigner, so that one number of two hospitals is two patients after hashing too."""
    return f"{identifier.assigner}|{identifier.value}" if identifier else None


def _age(patient: Patient, on: date) -> int | None:
    born = patient.birth_date
    if born is None or born > on:
        return None
    return min(OLDEST, on.year - born.year - ((on.month, on.day) < (born.month, born.day)))


def _series_count(study: Study) -> int | None:
    return len(study.series) or study.number_of_series


def _instance_count(study: Study) -> int | None:
    return sum(len(series.instances) for series in study.series) or study.number_of_instances


def _total(counts: Sequence[int | None]) -> int | None:
    """The sum, unless one of the archives has not told its part or there is nothing to count."""
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None

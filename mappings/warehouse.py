"""An order's life as one row for analysts: stages, counts and codes; no free text, nothing of the patient."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mappings.fhir.codes import diagnostic_report_status
from mappings.fhir.imaging_study import number_of_instances
from radflow.model import Order, Report, Study
from radflow.order import State

SCHEMA_VERSION = 1
"""Raised when a column is added or changes its meaning."""

STAGES = ("received", "worklisted", "acquired", "reported", "published")


def order_row(
    order: Order,
    *,
    state: State,
    stages: Mapping[str, datetime],
    studies: Sequence[Study],
    report: Report | None,
) -> dict[str, Any]:
    """The row; site and day are not in it, being the partition that it is written to.

    `stages` says when each stage was first reached; one that was not reached is null.
    """
    return {
        "order_key": order.key,
        "modality": order.modality,
        "priority": order.priority or None,
        "procedure_code": order.procedure.code or None,
        "procedure_system": order.procedure.system or None,
        "state": str(state),
        # The code of FHIR, which is the same whatever HL7 version the report came in.
        "report_status": diagnostic_report_status(report.status) if report else None,
        **{f"{stage}_at": stages.get(stage) for stage in STAGES},
        "series": _total([len(study.series) or None for study in studies]),
        "instances": _total([number_of_instances(study) for study in studies]),
        "schema_version": SCHEMA_VERSION,
    }


def _total(counts: Sequence[int | None]) -> int | None:
    """The sum, unless one of the archives has not told its part or there is nothing to count."""
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None

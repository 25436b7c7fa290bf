"""What a DICOM SR document says in numbers and codes, a row each."""

from collections.abc import Iterator
from typing import Any

from mappings.warehouse.privacy import Row
from radflow.findings import (
    AccumulatedDose,
    Measurement,
    MeasurementGroup,
    QualitativeEvaluation,
    StructuredReport,
)
from radflow.model import CodedConcept

DOSE = -1
"""The group of a dose report's totals."""


def finding_rows(document: StructuredReport, order_key: str) -> Iterator[Row]:
    """Measurements (TID 1501 and others), judgements, and a dose report's totals (TID 10002 and its like)."""
    common = {
        "order_key": order_key,
        "study_instance_uid": document.study_instance_uid or None,
        "sop_instance_uid": document.sop_instance_uid,
        "template": document.template or None,
    }
    for number, group in enumerate(document.groups):
        for measurement in group.measurements:
            yield {**common, "group": number, "kind": "measurement", **_measured(measurement, group)}
        for evaluation in group.evaluations:
            yield {**common, "group": number, "kind": "evaluation", **_judged(evaluation, group)}
    for dose in document.dose.accumulated if document.dose else ():
        for total in _totals(dose):
            yield {**common, "group": DOSE, "kind": "dose", **_measured(total, None)}


def _measured(one: Measurement, group: MeasurementGroup | None) -> dict[str, Any]:
    value = one.precise if one.precise is not None else one.value
    return {
        **_named(one.name),
        "value": None if value is None else float(value),
        "unit": one.unit.code if one.unit else None,
        "value_code": None,
        "value_system": None,
        **_where(one.finding_site, one.laterality, group),
        "tracking_uid": one.tracking_uid or (group.tracking_uid if group else "") or None,
        "tracking_id": one.tracking_id or (group.tracking_id if group else "") or None,
        "value_text": None,
    }


def _judged(one: QualitativeEvaluation, group: MeasurementGroup) -> dict[str, Any]:
    return {
        **_named(one.name),
        "value": None,
        "unit": None,
        "value_code": one.code.code if one.code else None,
        "value_system": one.code.system if one.code else None,
        **_where(one.finding_site, one.laterality, group),
        "tracking_uid": group.tracking_uid or None,
        "tracking_id": group.tracking_id or None,
        "value_text": one.text or None,
    }


def _named(concept: CodedConcept) -> dict[str, str | None]:
    return {"code": concept.code, "code_system": concept.system, "name": concept.display or None}


def _where(
    site: CodedConcept | None, laterality: CodedConcept | None, group: MeasurementGroup | None
) -> dict[str, str | None]:
    """The site of the finding, its own or its group's."""
    finding = group.finding if group else None
    site = site or (group.finding_site if group else None)
    laterality = laterality or (group.laterality if group else None)
    return {
        "finding_code": finding.code if finding else None,
        "finding_system": finding.system if finding else None,
        "site_code": site.code if site else None,
        "site_system": site.system if site else None,
        "laterality_code": laterality.code if laterality else None,
    }


def _totals(dose: AccumulatedDose) -> Iterator[Measurement]:
    single = (dose.events, dose.dlp, dose.dose_area_product, dose.dose_rp, dose.fluoro_time)
    yield from (one for one in single if one)
    yield from (*dose.average_glandular_dose, *dose.others)

"""What DICOM SR documents and reports say in numbers and codes, a row each."""

from collections.abc import Iterator
from typing import Any

from mappings.warehouse.privacy import Row
from radflow.findings import Measurement, MeasurementGroup, QualitativeEvaluation, StructuredReport
from radflow.model import CodedConcept, Report, ReportedObservation

DOSE = -1
"""The group of a dose report's totals."""

_FROM_SR = {"source": "sr", "comparator": None}

_WITHDRAWN = frozenset({"D", "W"})
"""OBX-11, HL7 table 0085."""


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
        for total in dose.totals:
            yield {**common, "group": DOSE, "kind": "dose", **_measured(total, None)}


def observation_rows(report: Report, order_key: str) -> Iterator[Row]:
    """The report's OBX with numbers or codes: NM, SN, NA, CE, CWE, CNE. Of a date or time there is no row."""
    groups: dict[str, int] = {}
    for one in report.observations:
        said = _said(one)
        if report.withdrawn or one.status in _WITHDRAWN or not said:
            continue
        yield {
            "order_key": order_key,
            "study_instance_uid": report.study_instance_uid or None,
            "sop_instance_uid": None,
            "template": None,
            "group": groups.setdefault(one.sub_id, len(groups)),
            "kind": "evaluation" if one.codes else "measurement",
            **_named(one.code),
            "value": None,
            "unit": one.unit.code or None,
            "value_code": None,
            "value_system": None,
            **_where(one.body_site if one.body_site != CodedConcept() else None, None, None),
            "tracking_uid": None,
            "tracking_id": None,
            "value_text": None,
            "source": "obx",
            "comparator": None,
            **said,
        }


def _said(one: ReportedObservation) -> dict[str, Any]:
    """OBX-5: a number, a code, or what no column holds in words; empty where it is neither."""
    if one.codes:
        first = one.codes[0]
        return {
            "value_code": first.code or None,
            "value_system": first.system or None,
            "value_text": first.display or None,
        }
    if one.numbers:
        return {"value_text": ", ".join(map(str, one.numbers))}
    if one.number is None:
        return {}
    if one.separator or one.comparator == "<>":
        second = "" if one.second_number is None else one.second_number
        return {"value_text": f"{one.comparator}{one.number}{one.separator}{second}"}
    comparator = one.comparator if one.comparator != "=" else ""
    return {"value": float(one.number), "comparator": comparator or None}


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
        **_FROM_SR,
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
        **_FROM_SR,
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

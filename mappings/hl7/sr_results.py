"""DICOM SR → structured OBX: each measurement, judgement and total of a dose, with unit, code and site."""

from collections.abc import Iterable, Iterator

from radflow.findings import Measurement, MeasurementGroup, QualitativeEvaluation, StructuredReport
from radflow.model import CodedConcept, ReportedObservation

_NOTHING = CodedConcept()
_NO_GROUP = MeasurementGroup()


def measured(documents: Iterable[StructuredReport]) -> list[ReportedObservation]:
    """What the documents measure; OBX-4 counts the groups of all of them, as `3`: what belongs together.

    A measurement without a number says nothing in an OBX, and is left out.
    """
    groups = ((document, group) for document in documents for group in _groups(document))
    return [
        one
        for number, (document, found) in enumerate(groups, start=1)
        for one in _group(found, str(number), document)
    ]


_Group = tuple[MeasurementGroup, tuple[Measurement, ...]]


def _groups(document: StructuredReport) -> Iterator[_Group]:
    for group in document.groups:
        yield group, group.measurements
    for accumulated in document.dose.accumulated if document.dose else ():
        yield _NO_GROUP, accumulated.totals


def _group(found: _Group, sub_id: str, document: StructuredReport) -> Iterator[ReportedObservation]:
    group, measurements = found
    for one in measurements:
        if one.value is not None:
            yield _measurement(one, group, sub_id, document)
    for judged in group.evaluations:
        yield _evaluation(judged, group, sub_id, document)


def _measurement(
    one: Measurement, group: MeasurementGroup, sub_id: str, document: StructuredReport
) -> ReportedObservation:
    return ReportedObservation(
        code=one.name,
        sub_id=sub_id,
        value_type="NM",
        number=one.precise if one.precise is not None else one.value,
        unit=one.unit or _NOTHING,
        observed=one.observed or document.written_at,
        method=one.method or group.method or _NOTHING,
        body_site=one.finding_site or group.finding_site or _NOTHING,
        notes=_notes(one.laterality or group.laterality, one.tracking_id or group.tracking_id),
    )


def _evaluation(
    one: QualitativeEvaluation, group: MeasurementGroup, sub_id: str, document: StructuredReport
) -> ReportedObservation:
    return ReportedObservation(
        code=one.name,
        sub_id=sub_id,
        value_type="CWE",
        codes=(one.code or CodedConcept(display=one.text),),
        observed=document.written_at,
        method=group.method or _NOTHING,
        body_site=one.finding_site or group.finding_site or _NOTHING,
        notes=_notes(one.laterality or group.laterality, group.tracking_id),
    )


def _notes(laterality: CodedConcept | None, tracking_id: str) -> tuple[str, ...]:
    """What OBX has no field for."""
    side = f"Laterality: {laterality.display or laterality.code}" if laterality else ""
    tracked = f"Tracking identifier: {tracking_id}" if tracking_id else ""
    return tuple(filter(None, (side, tracked)))

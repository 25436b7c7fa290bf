"""DICOM SR → Observation: measurements and judgements (TID 1500 and others), and doses (TID 10001, 10011).

One Observation for each number or judgement. What is inside it of places, methods and tracking is said as
R4 has it; laterality, derivation and what else qualifies it are components.
"""

from collections.abc import Iterator, Sequence

from mappings.fhir.datatypes import Element, codeable_concept, filled, instant
from mappings.fhir.identifiers import DICOM_UID, own_identifier, under
from mappings.fhir.observation import IMAGING, UNKNOWN
from mappings.fhir.quantities import quantity
from radflow.findings import Measurement, MeasurementGroup, QualitativeEvaluation, StructuredReport
from radflow.model import CodedConcept

LATERALITY = CodedConcept(code="272741003", display="Laterality", system="SCT")
DERIVATION = CodedConcept(code="121401", display="Derivation", system="DCM")
SITE_MODIFIER = CodedConcept(code="106233006", display="Topographical modifier", system="SCT")
FINDING = CodedConcept(code="121071", display="Finding", system="DCM")


def sr_observations(
    report: StructuredReport,
    *,
    subject: str,
    based_on: str,
    derived_from: Sequence[str],
    encounter: str | None,
    base: str,
) -> list[Element]:
    """The document's numbers and judgements; `derived_from` refers to the studies they were read from."""
    shared: Element = {
        "basedOn": [{"reference": based_on}],
        "subject": {"reference": subject},
        "encounter": {"reference": encounter} if encounter else None,
        "issued": instant(report.written_at),
        "performer": _people(report),
        "device": _device(report),
        "derivedFrom": [{"reference": study} for study in derived_from],
        "category": [IMAGING],
    }
    return [
        filled(
            {
                "resourceType": "Observation",
                "identifier": [
                    own_identifier("sr-observation", f"{report.sop_instance_uid}/{place}", base),
                    *_tracking(tracking_uid, tracking_id, base),
                ],
                "status": _status(report),
                **content,
                **shared,
            }
        )
        for place, tracking_uid, tracking_id, content in _found(report, base)
    ]


def _found(report: StructuredReport, base: str) -> Iterator[tuple[str, str, str, Element]]:
    """Place in the document, tracking UID and identifier, and content of each."""
    for number, group in enumerate(report.groups, start=1):
        for place, one in enumerate(group.measurements, start=1):
            tracking = one.tracking_uid or group.tracking_uid, one.tracking_id or group.tracking_id
            yield f"{number}.{place}", *tracking, _measurement(one, report, base, group)
        for place, judged in enumerate(group.evaluations, start=1):
            content = _evaluation(judged, report, base, group)
            yield f"{number}.e{place}", group.tracking_uid, group.tracking_id, content
    for number, accumulated in enumerate(report.dose.accumulated if report.dose else (), start=1):
        for place, total in enumerate(accumulated.totals, start=1):
            yield f"dose{number}.{place}", "", "", _measurement(total, report, base)


def _measurement(
    one: Measurement, report: StructuredReport, base: str, group: MeasurementGroup | None = None
) -> Element:
    value = quantity(one.precise if one.precise is not None else one.value, one.unit)
    absent = codeable_concept(one.qualifier, base) or UNKNOWN
    return {
        "code": codeable_concept(one.name, base) or {"text": "Measurement"},
        "effectiveDateTime": instant(one.observed or report.written_at),
        "valueQuantity": value,
        "dataAbsentReason": None if value else absent,
        "bodySite": codeable_concept(one.finding_site or (group.finding_site if group else None), base),
        "method": codeable_concept(one.method or (group.method if group else None), base),
        "component": [
            *_site_components(one, group, base),
            *_component(DERIVATION, one.derivation, base),
            *_component(FINDING, group.finding if group else None, base),
            *(
                _qualified(each.name, each.code, each.text, quantity(each.value, each.unit), base)
                for each in one.properties
            ),
        ],
    }


def _evaluation(
    one: QualitativeEvaluation, report: StructuredReport, base: str, group: MeasurementGroup
) -> Element:
    value = codeable_concept(one.code, base)
    return {
        "code": codeable_concept(one.name, base) or {"text": "Evaluation"},
        "effectiveDateTime": instant(report.written_at),
        "valueCodeableConcept": value,
        "valueString": None if value else one.text,
        "dataAbsentReason": None if value or one.text.strip() else UNKNOWN,
        "bodySite": codeable_concept(one.finding_site or group.finding_site, base),
        "component": _site_components(one, group, base),
    }


def _site_components(
    one: Measurement | QualitativeEvaluation, group: MeasurementGroup | None, base: str
) -> list[Element]:
    """R4's bodySite has no place for the side: beside it, where the site itself stands."""
    at = one if one.finding_site or group is None else group
    return [
        *_component(LATERALITY, one.laterality or at.laterality, base),
        *_component(SITE_MODIFIER, one.site_modifier or at.site_modifier, base),
    ]


def _component(name: CodedConcept, value: CodedConcept | None, base: str) -> list[Element]:
    concept = codeable_concept(value, base)
    return [{"code": codeable_concept(name, base), "valueCodeableConcept": concept}] if concept else []


def _qualified(
    name: CodedConcept, code: CodedConcept | None, text: str, value: Element, base: str
) -> Element:
    concept, called = codeable_concept(code, base), codeable_concept(name, base)
    if not called or not (concept or value or text.strip()):
        return {}
    if concept:
        return {"code": called, "valueCodeableConcept": concept}
    return {"code": called, "valueQuantity": value} if value else {"code": called, "valueString": text}


def _tracking(uid: str, identifier: str, base: str) -> list[Element]:
    """Tracking Unique Identifier (112040, DCM) and Tracking Identifier (112039, DCM)."""
    found = [{"system": DICOM_UID, "value": f"urn:oid:{uid}"}] if uid else []
    return [*found, {"system": under(base, "tracking"), "value": identifier}] if identifier else found


def _status(report: StructuredReport) -> str:
    """Preliminary Flag (0040,A496), else Completion Flag (0040,A491) and Verification Flag (0040,A493)."""
    if report.preliminary == "PRELIMINARY" or report.completion == "PARTIAL":
        return "preliminary"
    final = report.preliminary == "FINAL" or report.verification == "VERIFIED" or report.dose is not None
    return "final" if final else "preliminary"


def _people(report: StructuredReport) -> list[Element]:
    names = (one.name for one in (*report.verifiers, *report.observers) if not one.device)
    shown = (" ".join(part for part in name.partition("=")[0].split("^") if part) for name in names)
    return [{"type": "Practitioner", "display": name} for name in dict.fromkeys(shown) if name]


def _device(report: StructuredReport) -> Element:
    device = next((one for one in report.observers if one.device and (one.uid or one.name)), None)
    if device is None:
        return {}
    number = {"system": DICOM_UID, "value": f"urn:oid:{device.uid}"} if device.uid else None
    return {"type": "Device", "identifier": number, "display": device.name}

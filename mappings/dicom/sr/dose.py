"""X-ray radiation dose → DoseSummary (PS3.16 TID 10001 for projection X-ray, TID 10011 for CT)."""

from collections.abc import Iterator
from datetime import tzinfo

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from mappings.dicom.sr.concepts import descendants, first_code, first_text, means, named
from mappings.dicom.sr.measured import Context, measurement
from mappings.dicom.sr.times import moment
from radflow.findings import AccumulatedDose, ContentItem, DoseSummary, IrradiationEvent, Measurement

DCM = codes.DCM
_ACCUMULATED = (DCM.AccumulatedXRayDoseData, DCM.CTAccumulatedDoseData)
_EVENT = (DCM.IrradiationEventXRayData, DCM.CTAcquisition)
_SCOPE_UIDS = (
    DCM.StudyInstanceUID, DCM.SeriesInstanceUID, DCM.IrradiationEventUID,
    Code("121126", "DCM", "Performed Procedure Step SOP Instance UID"),
)  # fmt: skip

_ACCUMULATED_FIELDS = {
    "events": DCM.TotalNumberOfIrradiationEvents,
    "dlp": DCM.CTDoseLengthProductTotal,
    "dose_area_product": DCM.DoseAreaProductTotal,
    "dose_rp": DCM.DoseRPTotal,
    "fluoro_time": DCM.TotalFluoroTime,
}
_EVENT_FIELDS = {
    "ctdi_vol": DCM.MeanCtdivol,
    "dlp": DCM.DLP,
    "dose_area_product": DCM.DoseAreaProduct,
    "dose_rp": DCM.DoseRP,
    "average_glandular_dose": DCM.AverageGlandularDose,
}
"""A field of the value → the concept of its number. A second number of one concept goes to the others."""


def is_dose(root: ContentItem) -> bool:
    """Whether it is a dose report: by its title, or by what it holds where the title is a vendor's own."""
    containers = (item for item in descendants(root) if item.value_type == "CONTAINER")
    return means(root.concept, DCM.XRayRadiationDoseReport) or any(named(containers, *_ACCUMULATED, *_EVENT))


def dose_summary(root: ContentItem, zone: tzinfo) -> DoseSummary:
    """The document's totals and events."""
    context = Context(root, zone)
    everywhere = list(descendants(root))
    scope = next((item for item in named(root.children, DCM.ScopeOfAccumulation)), ContentItem())
    return DoseSummary(
        procedure=first_code(root.children, DCM.ProcedureReported),
        scope=scope.code,
        scope_uid=first_text(scope.children, *_SCOPE_UIDS),
        accumulated=tuple(_accumulated(item, context) for item in named(everywhere, *_ACCUMULATED)),
        events=tuple(_event(item, context) for item in named(everywhere, *_EVENT)),
    )


def _accumulated(container: ContentItem, context: Context) -> AccumulatedDose:
    fields, others = _sorted(container, _ACCUMULATED_FIELDS, context)
    glandular = [one for one in others if means(one.name, DCM.AccumulatedAverageGlandularDose)]
    return AccumulatedDose(
        plane=first_code(container.children, DCM.AcquisitionPlane),
        average_glandular_dose=tuple(glandular),
        others=tuple(one for one in others if one not in glandular),
        **fields,
    )


def _event(container: ContentItem, context: Context) -> IrradiationEvent:
    fields, others = _sorted(container, _EVENT_FIELDS, context)
    inside = list(_own(container))
    return IrradiationEvent(
        uid=first_text(inside, DCM.IrradiationEventUID),
        started=moment(first_text(inside, DCM.DatetimeStarted), context.zone),
        type=first_code(inside, DCM.IrradiationEventType, DCM.CTAcquisitionType),
        protocol=first_text(inside, DCM.AcquisitionProtocol),
        plane=first_code(inside, DCM.AcquisitionPlane),
        target_region=first_code(inside, DCM.TargetRegion),
        phantom=first_code(inside, DCM.CtdiwPhantomType),
        others=tuple(others),
        **fields,
    )


def _sorted(
    container: ContentItem, fields: dict[str, Code], context: Context
) -> tuple[dict[str, Measurement], list[Measurement]]:
    """The container's numbers: by the field they belong to, and the others."""
    found: dict[str, Measurement] = {}
    others: list[Measurement] = []
    for item in _own(container):
        if item.value_type != "NUM":
            continue
        field = next((name for name, code in fields.items() if means(item.concept, code)), None)
        if field and field not in found:
            found[field] = measurement(item, context)
        else:
            others.append(measurement(item, context))
    return found, others


def _own(container: ContentItem) -> Iterator[ContentItem]:
    """Everything below the container that is not below another total or event."""
    for child in container.children:
        if not means(child.concept, *_ACCUMULATED, *_EVENT):
            yield child
            yield from _own(child)

"""The tree → its groups of measurements (PS3.16 TID 1500: 1410, 1411, 1501), and those of any other template.

A vendor's own report, an echo (TID 5200) or an obstetric one (TID 5000) holds its numbers in containers too.
So a group is every container that is called one, and every item that numbers stand directly below.
"""

from collections.abc import Iterator
from datetime import tzinfo

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from mappings.dicom.sr.concepts import first_code, means, named
from mappings.dicom.sr.measured import (
    DERIVATION,
    LATERALITY,
    METHOD,
    SITE,
    SITE_MODIFIER,
    TRACKING_ID,
    TRACKING_UID,
    Context,
    evaluation,
    images_of,
    measurement,
    properties_of,
    regions_of,
)
from radflow.findings import ContentItem, MeasurementGroup

_GROUP = codes.DCM.MeasurementGroup
_IMAGE_LIBRARY = codes.DCM.ImageLibrary
_QUALITATIVE = (Code("C0034375", "UMLS", "Qualitative Evaluations"),)
_FINDING = codes.DCM.Finding
_CATEGORY = (codes.SCT.FindingsCategoryType, Code("276214006", "SCT", "Finding category"))
_HAVE_FIELDS = (
    SITE, LATERALITY, SITE_MODIFIER, METHOD, DERIVATION, TRACKING_ID, TRACKING_UID, _FINDING, *_CATEGORY,
)  # fmt: skip


def measurement_groups(root: ContentItem, zone: tzinfo) -> tuple[MeasurementGroup, ...]:
    """Every group of the document, from top to bottom."""
    return tuple(_groups(root, Context(root, zone)))


def _groups(item: ContentItem, context: Context) -> Iterator[MeasurementGroup]:
    if item.value_type == "NUM" or means(item.concept, _IMAGE_LIBRARY):
        # An image library (TID 1600) says how the images were made, not what is on them.
        return
    inside = context.below(item)
    numbers = [child for child in item.children if child.value_type == "NUM"]
    if numbers or means(item.concept, _GROUP, *_QUALITATIVE):
        yield _group(item, inside, numbers)
    for child in item.children:
        yield from _groups(child, inside)


def _group(item: ContentItem, inside: Context, numbers: list[ContentItem]) -> MeasurementGroup:
    children = inside.children(item)
    judged = [child for child in item.children if _judges(child)]
    around = [child for child in children if child.value_type != "NUM" and not _judges(child)]
    return MeasurementGroup(
        name=item.concept,
        template=item.template,
        tracking_id=inside.tracking_id,
        tracking_uid=inside.tracking_uid,
        finding_category=first_code(children, *_CATEGORY),
        # Below a CODE, as CAD reports have them, the numbers are of what it says.
        finding=first_code(children, _FINDING) or item.code,
        finding_site=inside.site.site,
        laterality=inside.site.laterality,
        site_modifier=inside.site.modifier,
        method=inside.method,
        images=images_of(children),
        regions=regions_of(children, inside),
        properties=properties_of(around, besides=_HAVE_FIELDS),
        measurements=tuple(measurement(number, inside) for number in numbers),
        evaluations=tuple(evaluation(child, inside) for child in judged),
    )


def _judges(child: ContentItem) -> bool:
    """A code or a text that is content of the group, and neither its context nor one of its fields."""
    return (
        child.value_type in ("CODE", "TEXT")
        and child.relationship in ("CONTAINS", "")
        and not any(named([child], *_HAVE_FIELDS))
    )

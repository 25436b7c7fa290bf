"""NUM items → Measurement, CODE and TEXT items → QualitativeEvaluation (PS3.16 TID 300, 1419, 1420, 1501).

A relationship that is missing or wrong is no reason to lose a number: names decide, not relationships.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import tzinfo
from decimal import Decimal, InvalidOperation

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from mappings.dicom.sr.concepts import first_code, first_text, follow, named
from mappings.dicom.sr.times import moment
from radflow.findings import (
    ContentItem,
    Graphic,
    InstanceReference,
    Measurement,
    Property,
    QualitativeEvaluation,
)
from radflow.model import CodedConcept

REFERENCES = ("IMAGE", "COMPOSITE", "WAVEFORM")
REGIONS = ("SCOORD", "SCOORD3D")
UNNAMED = CodedConcept()

SITE = codes.SCT.FindingSite
LATERALITY = codes.SCT.Laterality
SITE_MODIFIER = codes.SCT.TopographicalModifier
METHOD = codes.SCT.MeasurementMethod
DERIVATION = codes.DCM.Derivation
TRACKING_ID = codes.DCM.TrackingIdentifier
TRACKING_UID = codes.DCM.TrackingUniqueIdentifier


@dataclass(frozen=True)
class Site:
    """Where in the body: Finding Site with its laterality and modifier (TID 1419 rows 9–11, TID 1501)."""

    site: CodedConcept | None = None
    laterality: CodedConcept | None = None
    modifier: CodedConcept | None = None

    def narrowed_by(self, other: "Site") -> "Site":
        """The other site; what it leaves open is as it is here, unless it is another place."""
        if other.site and other.site != self.site:
            return other
        return Site(self.site, other.laterality or self.laterality, other.modifier or self.modifier)


@dataclass(frozen=True)
class Context:
    """What holds for everything below a container: the document, its zone, and what the containers say."""

    root: ContentItem
    zone: tzinfo
    site: Site = Site()
    method: CodedConcept | None = None
    derivation: CodedConcept | None = None
    tracking_id: str = ""
    tracking_uid: str = ""

    def children(self, item: ContentItem) -> list[ContentItem]:
        """The item's children; those that stand elsewhere in the tree are fetched from there."""
        return [follow(self.root, child) for child in item.children]

    def below(self, container: ContentItem) -> "Context":
        """What holds below this container too."""
        children = self.children(container)
        return replace(
            self,
            site=self.site.narrowed_by(site_of(children)),
            method=first_code(children, METHOD) or self.method,
            derivation=first_code(children, DERIVATION) or self.derivation,
            tracking_id=first_text(children, TRACKING_ID) or self.tracking_id,
            tracking_uid=first_text(children, TRACKING_UID) or self.tracking_uid,
        )


def measurement(item: ContentItem, context: Context) -> Measurement:
    """A NUM item with what qualifies it."""
    inside, children = context.below(item), context.children(item)
    numeric = item.numeric
    return Measurement(
        name=item.concept or UNNAMED,
        value=number(item),
        precise=_decimal(numeric.floating) if numeric else None,
        sent=(numeric.value or numeric.floating) if numeric else "",
        unit=numeric.unit if numeric else None,
        qualifier=item.qualifier,
        finding_site=inside.site.site,
        laterality=inside.site.laterality,
        site_modifier=inside.site.modifier,
        method=inside.method,
        derivation=inside.derivation,
        tracking_id=inside.tracking_id,
        tracking_uid=inside.tracking_uid,
        observation_uid=item.observation_uid,
        observed=moment(item.observed, context.zone),
        images=images_of(children),
        regions=regions_of(children, context),
        properties=properties_of(children),
        inferred_from=tuple(
            measurement(child, context)
            # Not those meant by reference: they stand elsewhere, and may refer back.
            for child in item.children
            if child.value_type == "NUM" and child.relationship == "INFERRED FROM"
        ),
    )


def evaluation(item: ContentItem, context: Context) -> QualitativeEvaluation:
    """A CODE or TEXT item that judges."""
    inside, children = context.below(item), context.children(item)
    return QualitativeEvaluation(
        name=item.concept or UNNAMED,
        code=item.code,
        text=item.text or "",
        finding_site=inside.site.site,
        laterality=inside.site.laterality,
        site_modifier=inside.site.modifier,
        observation_uid=item.observation_uid,
        images=images_of(children),
        regions=regions_of(children, context),
        properties=properties_of(children),
    )


def number(item: ContentItem) -> Decimal | None:
    """The value of a NUM item; None where there is none, or it is no finite number."""
    if item.numeric is None:
        return None
    value = _decimal(item.numeric.value)
    return value if value is not None else _decimal(item.numeric.floating)


def _decimal(sent: str) -> Decimal | None:
    try:
        value = Decimal(sent.strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def site_of(children: Iterable[ContentItem]) -> Site:
    """The site that these items tell: laterality and modifier stand below it, or beside it."""
    children = list(children)
    site = next((child for child in named(children, SITE) if child.code), None)
    near = [*(site.children if site else ()), *children]
    return Site(site.code if site else None, first_code(near, LATERALITY), first_code(near, SITE_MODIFIER))


def images_of(children: Iterable[ContentItem]) -> tuple[InstanceReference, ...]:
    """What the items refer to, themselves or as what a region is selected from."""
    found: list[InstanceReference] = []
    for child in children:
        if child.value_type in REFERENCES:
            found += child.references
        elif child.value_type in REGIONS:
            found += images_of(child.children)
    return tuple(dict.fromkeys(found))


def regions_of(children: Iterable[ContentItem], context: Context) -> tuple[Graphic, ...]:
    """Coordinates, with the images they are on."""
    return tuple(
        child.graphic.model_copy(update={"images": images_of(context.children(child))})
        for child in children
        if child.value_type in REGIONS and child.graphic
    )


_HAVE_FIELDS = (SITE, LATERALITY, SITE_MODIFIER, METHOD, DERIVATION, TRACKING_ID, TRACKING_UID)


def properties_of(
    children: Iterable[ContentItem], besides: tuple[Code, ...] = _HAVE_FIELDS
) -> tuple[Property, ...]:
    """Everything else that has a code, a text or a number: normality, reference ranges, algorithm, …"""
    children = list(children)
    told = [id(child) for child in named(children, *besides)]
    return tuple(
        Property(
            name=child.concept or UNNAMED,
            relationship=child.relationship,
            code=child.code,
            text=child.text or "",
            value=number(child),
            unit=child.numeric.unit if child.numeric else None,
        )
        for child in children
        if id(child) not in told
        and (child.code or child.text or (child.numeric and child.relationship == "HAS PROPERTIES"))
    )

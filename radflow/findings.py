"""What a structured report says: plain values without I/O.

DICOM SR is a tree of coded content (PS3.3 §C.17.3). `ContentItem` keeps that tree without loss;
beside it stand the findings that were read from it: measurements (TID 1500), doses (TID 10001, 10011),
key images (TID 2010), text. A reader that knows a further template reads it from the tree.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import Field

from radflow.model import CodedConcept, Value


class InstanceReference(Value):
    """A SOP instance that is pointed at: Referenced SOP Sequence (0008,1199), PS3.3 table C.17.3-3."""

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    frames: tuple[int, ...] = ()
    """Referenced Frame Number (0008,1160); empty for all frames."""
    segments: tuple[int, ...] = ()
    """Referenced Segment Number (0062,000B)."""


class Graphic(Value):
    """A region: SCOORD (PS3.3 §C.18.6) in pixels of the image it is on, or SCOORD3D (§C.18.9) in mm."""

    type: str
    """Graphic Type (0070,0023): POINT, MULTIPOINT, POLYLINE, CIRCLE, ELLIPSE, POLYGON, ELLIPSOID, …"""
    data: tuple[float, ...] = ()
    """Column and row of each point (SCOORD), or x, y and z (SCOORD3D), as they were sent."""
    frame_of_reference_uid: str = ""
    """Referenced Frame of Reference UID (3006,0024), of SCOORD3D."""
    images: tuple[InstanceReference, ...] = ()


class Numeric(Value):
    """Measured Value Sequence (0040,A300), PS3.3 §C.18.1, as it was sent."""

    value: str = ""
    """Numeric Value (0040,A30A): DS, several joined by a backslash; empty when not sent."""
    floating: str = ""
    """Floating Point Value (0040,A161), where 16 characters do not hold the value."""
    unit: CodedConcept | None = None
    """Measurement Units Code Sequence (0040,08EA): UCUM."""
    measured: bool = True
    """Whether there is an item in the sequence at all."""


class ContentItem(Value):
    """One node of the tree with everything below it (PS3.3 tables C.17.3-4 and C.17.3-5)."""

    relationship: str = ""
    """Relationship Type (0040,A010) to its parent: CONTAINS, HAS PROPERTIES, …; empty at the root."""
    value_type: str = ""
    """Value Type (0040,A040): CONTAINER, TEXT, CODE, NUM, IMAGE, …"""
    concept: CodedConcept | None = None
    """Concept Name (0040,A043): what the value is of."""
    text: str | None = None
    """The value of TEXT, PNAME, UIDREF, DATE, TIME and DATETIME, as it was sent."""
    code: CodedConcept | None = None
    numeric: Numeric | None = None
    qualifier: CodedConcept | None = None
    """Numeric Value Qualifier (0040,A301): why there is no number, or what is to be known of it."""
    references: tuple[InstanceReference, ...] = ()
    graphic: Graphic | None = None
    continuity: str = ""
    """Continuity of Content (0040,A050) of a container."""
    template: str = ""
    """Template Identifier (0040,DB00), e.g. `1500`; often missing."""
    mapping_resource: str = ""
    """Mapping Resource (0008,0105) of the template, e.g. `DCMR`."""
    observed: str = ""
    """Observation DateTime (0040,A032), DT as it was sent."""
    observation_uid: str = ""
    """Observation UID (0040,A171)."""
    target: tuple[int, ...] = ()
    """Referenced Content Item Identifier (0040,DB73): the path of the item that is meant, by reference."""
    attributes: dict[str, Any] = Field(default_factory=dict)
    """What else the item holds (private attributes, code versions, …): DICOM JSON, PS3.18 annex F.

    Numbers in DS, IS, FL and FD stand as text, so that neither digits nor NaN are lost.
    """
    children: tuple["ContentItem", ...] = ()


class Property(Value):
    """What qualifies a measurement, an evaluation or a group, and has no field of its own."""

    name: CodedConcept
    relationship: str = ""
    code: CodedConcept | None = None
    text: str = ""
    value: Decimal | None = None
    unit: CodedConcept | None = None


class Measurement(Value):
    """A number with its unit and what it is of: TID 300, 1419 and 1501, or a NUM item of any template."""

    name: CodedConcept
    value: Decimal | None = None
    """None when none was sent, or when what was sent is no number."""
    precise: Decimal | None = None
    """Floating Point Value (0040,A161): the same with more digits than DS holds, where it was sent."""
    sent: str = ""
    """The number as it was sent."""
    unit: CodedConcept | None = None
    """UCUM."""
    qualifier: CodedConcept | None = None
    """Why there is no number: DICOM CID 42."""
    finding_site: CodedConcept | None = None
    laterality: CodedConcept | None = None
    site_modifier: CodedConcept | None = None
    """Topographical modifier of the site."""
    method: CodedConcept | None = None
    derivation: CodedConcept | None = None
    """Mean, maximum, … (DICOM CID 7464)."""
    tracking_id: str = ""
    tracking_uid: str = ""
    observation_uid: str = ""
    observed: datetime | None = None
    images: tuple[InstanceReference, ...] = ()
    """What it was measured on."""
    regions: tuple[Graphic, ...] = ()
    properties: tuple[Property, ...] = ()
    inferred_from: tuple["Measurement", ...] = ()


class QualitativeEvaluation(Value):
    """A coded or worded judgement in a group: TID 1501 and 1411, CODE or TEXT."""

    name: CodedConcept
    code: CodedConcept | None = None
    text: str = ""
    finding_site: CodedConcept | None = None
    laterality: CodedConcept | None = None
    site_modifier: CodedConcept | None = None
    observation_uid: str = ""
    images: tuple[InstanceReference, ...] = ()
    regions: tuple[Graphic, ...] = ()
    properties: tuple[Property, ...] = ()


class MeasurementGroup(Value):
    """What belongs together: a Measurement Group (TID 1410, 1411, 1501), or any container of numbers."""

    name: CodedConcept | None = None
    """The container's concept, e.g. Measurement Group, or the section of a vendor's own template."""
    template: str = ""
    tracking_id: str = ""
    tracking_uid: str = ""
    finding_category: CodedConcept | None = None
    finding: CodedConcept | None = None
    finding_site: CodedConcept | None = None
    laterality: CodedConcept | None = None
    site_modifier: CodedConcept | None = None
    method: CodedConcept | None = None
    images: tuple[InstanceReference, ...] = ()
    """Images, segmentations and their sources."""
    regions: tuple[Graphic, ...] = ()
    properties: tuple[Property, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    evaluations: tuple[QualitativeEvaluation, ...] = ()


class AccumulatedDose(Value):
    """The totals of an examination: TID 10002 and 10004 (projection, one for each plane), TID 10012 (CT)."""

    plane: CodedConcept | None = None
    """Acquisition Plane (DICOM CID 10003), of projection X-ray."""
    events: Measurement | None = None
    """Total Number of Irradiation Events (113812, DCM)."""
    dlp: Measurement | None = None
    """CT Dose Length Product Total (113813, DCM)."""
    dose_area_product: Measurement | None = None
    """Dose Area Product Total (113722, DCM)."""
    dose_rp: Measurement | None = None
    """Dose (RP) Total (113725, DCM): at the reference point."""
    fluoro_time: Measurement | None = None
    """Total Fluoro Time (113730, DCM)."""
    average_glandular_dose: tuple[Measurement, ...] = ()
    """Accumulated Average Glandular Dose (111637, DCM), one for each side."""
    others: tuple[Measurement, ...] = ()

    @property
    def totals(self) -> tuple[Measurement, ...]:
        """Each of them that was sent."""
        single = (self.events, self.dlp, self.dose_area_product, self.dose_rp, self.fluoro_time)
        return (*filter(None, single), *self.average_glandular_dose, *self.others)


class IrradiationEvent(Value):
    """One exposure or scan: TID 10003 (projection), TID 10013 (CT)."""

    uid: str = ""
    """Irradiation Event UID (113769, DCM)."""
    started: datetime | None = None
    type: CodedConcept | None = None
    """Irradiation Event Type (113721, DCM), or CT Acquisition Type (113820, DCM)."""
    protocol: str = ""
    plane: CodedConcept | None = None
    target_region: CodedConcept | None = None
    ctdi_vol: Measurement | None = None
    """Mean CTDIvol (113830, DCM)."""
    dlp: Measurement | None = None
    phantom: CodedConcept | None = None
    """CTDIw Phantom Type (113835, DCM): head or body."""
    dose_area_product: Measurement | None = None
    dose_rp: Measurement | None = None
    average_glandular_dose: Measurement | None = None
    others: tuple[Measurement, ...] = ()
    """Every other number of the event: kVp, tube current, scanning length, …"""


class DoseSummary(Value):
    """X-Ray Radiation Dose Report: TID 10001 (projection), TID 10011 (CT)."""

    procedure: CodedConcept | None = None
    """Procedure reported (121058, DCM)."""
    scope: CodedConcept | None = None
    """Scope of Accumulation (113705, DCM): a study, a series, a performed step, …"""
    scope_uid: str = ""
    accumulated: tuple[AccumulatedDose, ...] = ()
    events: tuple[IrradiationEvent, ...] = ()


class KeyImages(Value):
    """Key Object Selection: TID 2010; its title says why they were chosen (DICOM CID 7010)."""

    title: CodedConcept | None = None
    modifiers: tuple[CodedConcept, ...] = ()
    description: str = ""
    """Key Object Description (113012, DCM)."""
    references: tuple[InstanceReference, ...] = ()


class Paragraph(Value):
    """A text, or a code in words, under its own concept where that says more than the section's."""

    concept: CodedConcept | None = None
    text: str


class Section(Value):
    """A heading (a container's concept name) and what stands under it."""

    heading: CodedConcept | None = None
    paragraphs: tuple[Paragraph, ...] = ()
    references: tuple[InstanceReference, ...] = ()
    sections: tuple["Section", ...] = ()


class TextReport(Value):
    """A report in words: TID 2000 and its like."""

    sections: tuple[Section, ...]

    @property
    def text(self) -> str:
        """As it is read: headings, and each paragraph on lines of its own."""
        return "\n\n".join(line for section in self.sections for line in _lines(section))


class Observer(Value):
    """Who or what made the observations: TID 1002, 1003 and 1004, or Verifying Observer (0040,A073)."""

    name: str = ""
    """PN of a person, or the name of a device."""
    uid: str = ""
    organization: str = ""
    device: bool = False
    verified_at: datetime | None = None


class Evidence(Value):
    """An instance of the document's evidence (0040,A375; 0040,A385), with the study and series it is in."""

    study_instance_uid: str
    series_instance_uid: str
    instance: InstanceReference


class StructuredReport(Value):
    """A DICOM SR document: what was read from it, and the whole tree."""

    sop_class_uid: str = ""
    sop_instance_uid: str
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    accession_numbers: tuple[str, ...] = ()
    """Accession Number (0008,0050) of the document and of its Referenced Request Sequence (0040,A370)."""
    title: CodedConcept | None = None
    template: str = ""
    completion: str = ""
    """Completion Flag (0040,A491): PARTIAL or COMPLETE."""
    verification: str = ""
    """Verification Flag (0040,A493): UNVERIFIED or VERIFIED."""
    preliminary: str = ""
    """Preliminary Flag (0040,A496): PRELIMINARY or FINAL; most documents have none."""
    written_at: datetime | None = None
    """Content Date and Time (0008,0023; 0008,0033)."""
    language: CodedConcept | None = None
    observers: tuple[Observer, ...] = ()
    verifiers: tuple[Observer, ...] = ()
    predecessors: tuple[Evidence, ...] = ()
    """Predecessor Documents (0040,A360): those that this one replaces."""
    evidence: tuple[Evidence, ...] = ()
    groups: tuple[MeasurementGroup, ...] = ()
    dose: DoseSummary | None = None
    key_images: KeyImages | None = None
    narrative: TextReport | None = None
    tree: ContentItem


def _lines(section: Section) -> list[str]:
    heading = [section.heading.display or section.heading.code] if section.heading else []
    own = [*heading, *(paragraph.text for paragraph in section.paragraphs)]
    return [*own, *(line for inner in section.sections for line in _lines(inner))]

"""SR documents for tests: TID 1500 by highdicom, everything else item by item."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    Comprehensive3DSR,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    SourceImageForMeasurement,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import (
    BasicTextSRStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    KeyObjectSelectionDocumentStorage,
    XRayRadiationDoseSRStorage,
    generate_uid,
)

CT_IMAGE = (str(CTImageStorage), "1.2.3.9.1")
Concept = tuple[str, str, str]
"""Value, scheme, meaning: `("113830", "DCM", "Mean CTDIvol")`."""


def an_image(study: str = "1.2.3") -> Dataset:
    """The CT image that measurements are made on."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID, image.SOPInstanceUID = CT_IMAGE
    image.StudyInstanceUID, image.SeriesInstanceUID = study, "1.2.3.9"
    image.FrameOfReferenceUID = "1.2.3.9.9"
    image.PatientID, image.PatientName = "4711", "Müller^Åse"
    image.PatientBirthDate, image.PatientSex = "", "F"
    image.SpecificCharacterSet = "ISO_IR 192"
    image.StudyID, image.StudyDate, image.StudyTime, image.AccessionNumber = "1", "20261124", "100000", "AP1"
    image.ReferringPhysicianName = ""
    image.Modality, image.SeriesNumber, image.InstanceNumber = "CT", 1, 1
    image.Rows = image.Columns = 512
    return image


def measurement_report(study: str = "1.2.3") -> Comprehensive3DSR:
    """TID 1500: a nodule with its region and sizes, and a liver with its attenuation."""
    image = an_image(study)
    on_image = SourceImageForMeasurement(*CT_IMAGE)
    nodule = PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid="1.2.3.4.5", identifier="Nodule 1"),
        referenced_region=ImageRegion(
            graphic_type=GraphicTypeValues.CIRCLE,
            graphic_data=np.array([[100.5, 120.25], [110.5, 120.25]]),
            source_image=SourceImageForRegion(*CT_IMAGE),
        ),
        finding_type=Code("27925004", "SCT", "Nodule"),
        finding_category=Code("49755003", "SCT", "Morphologically Altered Structure"),
        finding_sites=[
            FindingSite(
                anatomic_location=Code("39607008", "SCT", "Lung"),
                laterality=codes.SCT.Right,
                topographical_modifier=Code("261183002", "SCT", "Upper"),
            )
        ],
        measurements=[
            Measurement(
                name=Code("103339001", "SCT", "Long Axis"),
                value=12.5,
                unit=codes.UCUM.Millimeter,
                derivation=codes.SCT.Maximum,
                method=Code("126081", "DCM", "RECIST 1.1"),
                referenced_images=[on_image],
            ),
            Measurement(name=codes.SCT.Area, value=0.0001234, unit=codes.UCUM.SquareMillimeter),
            Measurement(
                name=codes.SCT.Volume,
                value=1000 / 3,
                unit=codes.UCUM.CubicMillimeter,
                qualifier=Code("114010", "DCM", "Estimated value"),
            ),
        ],
        qualitative_evaluations=[
            QualitativeEvaluation(
                name=Code("111014", "DCM", "Clock-face or region"),
                value=Code("129738005", "SCT", "Spiculated"),
            )
        ],
        algorithm_id=AlgorithmIdentification(
            name="Lungs", version="1.4", family=codes.DCM.ArtificialIntelligence
        ),
    )
    liver = MeasurementsAndQualitativeEvaluations(
        source_images=[SourceImageForMeasurementGroup(*CT_IMAGE)],
        tracking_identifier=TrackingIdentifier(uid="1.2.3.4.6", identifier="Liver"),
        finding_sites=[FindingSite(anatomic_location=Code("10200004", "SCT", "Liver"))],
        measurements=[
            Measurement(
                name=Code("112031", "DCM", "Attenuation Coefficient"),
                value=-7,
                unit=Code("[hnsf'U]", "UCUM", "Hounsfield unit"),
                derivation=codes.SCT.Mean,
            )
        ],
    )
    observer = ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=PersonObserverIdentifyingAttributes(name="Rönt^Gerda"),
    )
    content = MeasurementReport(
        observation_context=ObservationContext(observer_person_context=observer),
        procedure_reported=Code("77477000", "SCT", "CT"),
        imaging_measurements=[nodule, liver],
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            CodedConcept("de", "RFC5646", "German")
        ),
    )
    return Comprehensive3DSR(
        evidence=[image],
        content=content[0],
        series_instance_uid=f"{study}.77",
        series_number=77,
        sop_instance_uid=f"{study}.77.1",
        instance_number=1,
        manufacturer="Radflow tests",
        is_complete=True,
        is_final=True,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )


def item(
    value_type: str,
    concept: Concept | None = None,
    *children: Dataset,
    relationship: str = "CONTAINS",
    **attributes: Any,
) -> Dataset:
    """One content item."""
    made = Dataset()
    if relationship:
        made.RelationshipType = relationship
    made.ValueType = value_type
    if concept:
        made.ConceptNameCodeSequence = [code(concept)]
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    if children:
        made.ContentSequence = Sequence(children)
    return made


def number(concept: Concept, value: str, unit: Concept, *children: Dataset, **more: Any) -> Dataset:
    """A NUM item, its value as it is to be sent."""
    measured = Dataset()
    measured.NumericValue = value
    measured.MeasurementUnitsCodeSequence = [code(unit)]
    return item("NUM", concept, *children, MeasuredValueSequence=[measured], **more)


def coded(concept: Concept, value: Concept, *children: Dataset, **more: Any) -> Dataset:
    """A CODE item."""
    return item("CODE", concept, *children, ConceptCodeSequence=[code(value)], **more)


def said(concept: Concept, text: str, *children: Dataset, **more: Any) -> Dataset:
    """A TEXT item."""
    return item("TEXT", concept, *children, TextValue=text, **more)


def image(uid: str = CT_IMAGE[1], *, frames: list[int] | None = None, **more: Any) -> Dataset:
    """An IMAGE item without a concept name, as most are."""
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CT_IMAGE[0], uid
    if frames:
        reference.ReferencedFrameNumber = frames
    return item("IMAGE", more.pop("concept", None), ReferencedSOPSequence=[reference], **more)


def code(concept: Concept) -> Dataset:
    """An item of a code sequence."""
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = concept
    return made


def document(
    title: Concept,
    content: Iterable[Dataset],
    *,
    sop_class: str = BasicTextSRStorage,
    template: str = "",
    study: str = "1.2.3",
    modality: str = "SR",
    series: int = 88,
    **header: Any,
) -> Dataset:
    """An SR document of this content."""
    root = item("CONTAINER", title, *content, relationship="", ContinuityOfContent="SEPARATE")
    if template:
        identified = Dataset()
        identified.MappingResource, identified.TemplateIdentifier = "DCMR", template
        root.ContentTemplateSequence = [identified]
    root.file_meta = FileMetaDataset()
    root.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    root.SpecificCharacterSet = "ISO_IR 192"
    root.SOPClassUID, root.SOPInstanceUID = sop_class, generate_uid()
    root.StudyInstanceUID, root.SeriesInstanceUID = study, f"{study}.{series}"
    root.PatientID, root.PatientName, root.AccessionNumber = "4711", "Müller^Åse", "AP1"
    root.StudyDate, root.StudyTime, root.StudyID = "20261124", "100000", "1"
    root.Modality, root.SeriesNumber, root.InstanceNumber = modality, 88, 1
    root.ContentDate, root.ContentTime = "20261124", "101500"
    root.CompletionFlag, root.VerificationFlag = "COMPLETE", "UNVERIFIED"
    for keyword, value in header.items():
        setattr(root, keyword, value)
    return root


def key_object(study: str = "1.2.3") -> Dataset:
    """A key object selection: one CT image, for the referring physician."""
    return document(
        ("113004", "DCM", "For Teaching"),
        [said(("113012", "DCM", "Key Object Description"), "Lungenrundherd"), image()],
        sop_class=KeyObjectSelectionDocumentStorage,
        template="2010",
        study=study,
        modality="KO",
        series=59,
    )


def text_report(study: str = "1.2.3") -> Dataset:
    """A basic text report: findings under a heading, and a conclusion."""
    finding = ("121071", "DCM", "Finding")
    return document(
        ("18748-4", "LN", "Diagnostic Imaging Report"),
        [
            item("PNAME", ("121008", "DCM", "Person Observer Name"), relationship="HAS OBS CONTEXT",
                 PersonName="Rönt^Gerda"),
            item("CONTAINER", ("121070", "DCM", "Findings"),
                 said(finding, "Rundherd rechts.\nKein Erguss.", image(relationship="INFERRED FROM")),
                 ContinuityOfContent="SEPARATE"),
            item("CONTAINER", ("121076", "DCM", "Conclusions"),
                 said(("121077", "DCM", "Conclusion"), "Größenprogredient."),
                 coded(("121077", "DCM", "Conclusion"), ("27925004", "SCT", "Nodule")),
                 ContinuityOfContent="SEPARATE"),
        ],
        template="2000",
        study=study,
    )  # fmt: skip


MGY = ("mGy", "UCUM", "mGy")
MGY_CM = ("mGy.cm", "UCUM", "mGy.cm")
KILOVOLT = ("kV", "UCUM", "kV")
EVENTS = ("{events}", "UCUM", "events")


def ct_dose_report(study: str = "1.2.3") -> Dataset:
    """TID 10011: two scans, as a scanner of ten years ago writes it, with SRT codes."""
    return document(
        ("113701", "DCM", "X-Ray Radiation Dose Report"),
        [
            coded(("121058", "DCM", "Procedure reported"), ("P5-08000", "SRT", "Computed Tomography X-Ray"),
                  coded(("G-C0E8", "SRT", "Has Intent"), ("R-408C3", "SRT", "Diagnostic Intent"),
                        relationship="HAS CONCEPT MOD"), relationship="HAS CONCEPT MOD"),
            item("UIDREF", ("121012", "DCM", "Device Observer UID"), relationship="HAS OBS CONTEXT",
                 UID="1.2.9"),
            said(("121013", "DCM", "Device Observer Name"), "CT1", relationship="HAS OBS CONTEXT"),
            coded(("113705", "DCM", "Scope of Accumulation"), ("113014", "DCM", "Study"),
                  item("UIDREF", ("110180", "DCM", "Study Instance UID"), relationship="HAS PROPERTIES",
                       UID=study),
                  relationship="HAS OBS CONTEXT"),
            item("CONTAINER", ("113811", "DCM", "CT Accumulated Dose Data"),
                 number(("113812", "DCM", "Total Number of Irradiation Events"), "2", EVENTS),
                 number(("113813", "DCM", "CT Dose Length Product Total"), "412.37", MGY_CM),
                 ContinuityOfContent="SEPARATE"),
            _ct_acquisition("1.2.3.100.1", "Topogram", "0.15", "8.1"),
            _ct_acquisition("1.2.3.100.2", "Thorax", "9.86", "404.27"),
        ],
        sop_class=XRayRadiationDoseSRStorage,
        template="10011",
        study=study,
        series=997,
    )  # fmt: skip


def _ct_acquisition(uid: str, protocol: str, ctdi: str, dlp: str) -> Dataset:
    return item(
        "CONTAINER", ("113819", "DCM", "CT Acquisition"),
        said(("125203", "DCM", "Acquisition Protocol"), protocol),
        coded(("123014", "DCM", "Target Region"), ("T-D3000", "SRT", "Chest")),
        coded(("113820", "DCM", "CT Acquisition Type"), ("P5-08001", "SRT", "Spiral Acquisition")),
        item("UIDREF", ("113769", "DCM", "Irradiation Event UID"), relationship="CONTAINS", UID=uid),
        item("CONTAINER", ("113822", "DCM", "CT Acquisition Parameters"),
             number(("113824", "DCM", "Exposure Time"), "4.5", ("s", "UCUM", "s")),
             item("CONTAINER", ("113831", "DCM", "CT X-Ray Source Parameters"),
                  number(("113733", "DCM", "KVP"), "120", KILOVOLT), ContinuityOfContent="SEPARATE"),
             ContinuityOfContent="SEPARATE"),
        item("CONTAINER", ("113829", "DCM", "CT Dose"),
             number(("113830", "DCM", "Mean CTDIvol"), ctdi, MGY),
             coded(("113835", "DCM", "CTDIw Phantom Type"),
                   ("113691", "DCM", "IEC Body Dosimetry Phantom")),
             number(("113838", "DCM", "DLP"), dlp, MGY_CM), ContinuityOfContent="SEPARATE"),
        ContinuityOfContent="SEPARATE",
    )  # fmt: skip


def projection_dose_report(study: str = "1.2.3") -> Dataset:
    """TID 10001: one fluoroscopy run of a C-arm."""
    gym2, gy, s = ("Gy.m2", "UCUM", "Gy.m2"), ("Gy", "UCUM", "Gy"), ("s", "UCUM", "s")
    plane = coded(
        ("113764", "DCM", "Acquisition Plane"),
        ("113622", "DCM", "Single Plane"),
        relationship="HAS CONCEPT MOD",
    )
    return document(
        ("113701", "DCM", "X-Ray Radiation Dose Report"),
        [
            coded(("121058", "DCM", "Procedure reported"), ("113704", "DCM", "Projection X-Ray"),
                  relationship="HAS CONCEPT MOD"),
            item("CONTAINER", ("113702", "DCM", "Accumulated X-Ray Dose Data"), plane,
                 number(("113722", "DCM", "Dose Area Product Total"), "0.000123", gym2),
                 number(("113725", "DCM", "Dose (RP) Total"), "0.0123", gy),
                 number(("113726", "DCM", "Fluoro Dose Area Product Total"), "0.0001", gym2),
                 number(("113730", "DCM", "Total Fluoro Time"), "62", s), ContinuityOfContent="SEPARATE"),
            item("CONTAINER", ("113706", "DCM", "Irradiation Event X-Ray Data"), plane,
                 item("UIDREF", ("113769", "DCM", "Irradiation Event UID"), UID="1.2.3.200.1"),
                 item("DATETIME", ("111526", "DCM", "DateTime Started"), DateTime="20261124101530+0100"),
                 coded(("113721", "DCM", "Irradiation Event Type"), ("P5-06000", "SRT", "Fluoroscopy")),
                 number(("122130", "DCM", "Dose Area Product"), "0.000123", gym2),
                 number(("113738", "DCM", "Dose (RP)"), "0.0123", gy),
                 number(("113733", "DCM", "KVP"), "71.5", KILOVOLT), ContinuityOfContent="SEPARATE"),
        ],
        sop_class=XRayRadiationDoseSRStorage,
        template="10001",
        study=study,
        series=998,
    )  # fmt: skip

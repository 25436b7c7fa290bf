"""Study → ImagingStudy (R4 §8.16, mapping to DICOM; PS3.3 tables C.7-3, C.7-5a, C.12-1)."""

from mappings.fhir.codes import laterality
from mappings.fhir.datatypes import Element, coding, filled, instant
from mappings.fhir.identifiers import accession_identifier, dicom_uid
from radflow.model import Instance, Order, Series, Study

DCM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED_CT = "http://snomed.info/sct"
URI = "urn:ietf:rfc:3986"

OTHER = "OT"
"""Series.modality is required in FHIR: DICOM's code for "other" where the archive does not tell it."""


def imaging_study(study: Study, order: Order, *, subject: str, based_on: str, base: str) -> Element:
    """The ImagingStudy that fulfils the order; series and counts only where the archive has told them."""
    accession = study.accession_number or order.accession_number
    return filled(
        {
            "resourceType": "ImagingStudy",
            "identifier": [dicom_uid(study.study_instance_uid), accession_identifier(accession, base)],
            "status": "available",
            "modality": [coding(DCM, modality) for modality in sorted(set(_modalities(study)))],
            "subject": {"reference": subject},
            "started": instant(study.started),
            "basedOn": [{"reference": based_on}],
            "numberOfSeries": len(study.series) or None,
            "numberOfInstances": number_of_instances(study),
            "description": study.description,
            "series": [_series(series) for series in study.series],
        }
    )


def number_of_instances(study: Study) -> int | None:
    """How many instances the study has; None unless the archive has told those of every series."""
    if not study.series or not all(series.instances for series in study.series):
        return None
    return sum(len(series.instances) for series in study.series)


def _modalities(study: Study) -> tuple[str, ...]:
    return study.modalities or tuple(series.modality for series in study.series if series.modality)


def _series(series: Series) -> Element:
    side = laterality(series.laterality)
    return {
        "uid": series.series_instance_uid,
        "number": _unsigned(series.number),
        "modality": coding(DCM, series.modality or OTHER),
        "description": series.description,
        "numberOfInstances": len(series.instances) or None,
        # Body Part Examined (0018,0015) is a defined term of DICOM, not a code of the value set: text alone.
        "bodySite": {"display": series.body_part},
        "laterality": coding(SNOMED_CT, *side) if side else None,
        "started": instant(series.started),
        # SOP Class is required in FHIR; an instance of which it is not known is counted and not listed.
        "instance": [_instance(instance) for instance in series.instances if instance.sop_class_uid],
    }


def _instance(instance: Instance) -> Element:
    return {
        "uid": instance.sop_instance_uid,
        "sopClass": {"system": URI, "code": f"urn:oid:{instance.sop_class_uid}"},
        "number": _unsigned(instance.number),
    }


def _unsigned(number: int | None) -> int | None:
    """Series and Instance Number are IS in DICOM, which may be negative; FHIR's unsignedInt may not."""
    return number if number is not None and number >= 0 else None

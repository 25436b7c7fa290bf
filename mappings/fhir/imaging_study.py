"""Study → ImagingStudy (R4 §8.16, mapping to DICOM; PS3.3 tables C.7-3, C.7-5a, C.12-1)."""

from collections.abc import Mapping, Sequence

from mappings.fhir.codes import body_part, laterality
from mappings.fhir.datatypes import Element, codeable_concept, coding, filled, instant, terminology
from mappings.fhir.identifiers import accession_identifier, dicom_uid
from mappings.fhir.people import Who, practitioner_reference
from radflow.model import CodedConcept, Instance, Order, Practitioner, Series, Study

DCM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED_CT = "http://snomed.info/sct"
URI = "urn:ietf:rfc:3986"

OTHER = "OT"
"""Series.modality is required in FHIR: DICOM's code for "other" where the archive does not tell it."""
PERFORMER = terminology("v3-ParticipationType", "PRF", "performer")
"""ImagingStudy.series.performer.function."""

_NOBODY = Practitioner()


def imaging_study(
    study: Study,
    order: Order,
    *,
    subject: str,
    based_on: str | Sequence[str],
    base: str,
    who: Who | None = None,
    readers: Sequence[Practitioner] = (),
    endpoint: str | None = None,
    encounter: str | None = None,
    titles: Mapping[str, str] | None = None,
) -> Element:
    """The ImagingStudy that fulfils the order; series and counts only where the archive has told them.

    Args:
        study: as the archive shows it now.
        order: its accession number is taken where the archive tells none.
        subject: refers to the Patient.
        based_on: refers to the order's ServiceRequest, or to those of all orders that the study fulfils.
        base: the site's URI for systems of identifiers.
        who: refers to physicians; by identifier and name where it is left out.
        readers: who has interpreted it, where the archive does not tell (0008,1060).
        endpoint: refers to where it can be fetched.
        encounter: refers to the Encounter.
        titles: SOP Instance UID → title of a document among its instances: key images, reports.
    """

    def refer(physician: Practitioner) -> Element:
        return who(physician) if who else practitioner_reference(physician, base)

    accession = study.accession_number or order.accession_number
    told = study.referring_physician != _NOBODY
    return filled(
        {
            "resourceType": "ImagingStudy",
            "identifier": [
                dicom_uid(study.study_instance_uid),
                accession_identifier(accession, base, study.accession_assigner),
            ],
            "status": "available" if study.available else "unknown",
            "modality": [coding(DCM, modality) for modality in sorted(set(_modalities(study)))],
            "subject": {"reference": subject},
            "encounter": {"reference": encounter} if encounter else None,
            "started": instant(study.started),
            "basedOn": [{"reference": one} for one in _several(based_on)],
            "referrer": refer(study.referring_physician if told else order.referring_physician),
            "interpreter": [refer(reader) for reader in study.readers or readers],
            "endpoint": [{"reference": endpoint}] if endpoint and study.available else [],
            "numberOfSeries": len(study.series) or study.number_of_series,
            "numberOfInstances": number_of_instances(study),
            "procedureCode": [codeable_concept(code, base) for code in _procedures(study, order)],
            "location": _department(study.department),
            "reasonCode": [codeable_concept(reason, base) for reason in study.reasons],
            "description": study.description,
            "series": [_series(series, refer, titles or {}) for series in study.series],
        }
    )


def number_of_instances(study: Study) -> int | None:
    """How many instances the study has; None unless the archive has told it, or those of every series."""
    if not study.series or not all(series.instances for series in study.series):
        return study.number_of_instances
    return sum(len(series.instances) for series in study.series)


def _department(name: str) -> Element:
    return {"type": "Location", "display": name} if name.strip() else {}


def _several(references: str | Sequence[str]) -> Sequence[str]:
    return [references] if isinstance(references, str) else references


def _procedures(study: Study, order: Order) -> Sequence[CodedConcept]:
    return study.procedure_codes or [order.procedure]


def _modalities(study: Study) -> tuple[str, ...]:
    return study.modalities or tuple(series.modality for series in study.series if series.modality)


def _series(series: Series, refer: Who, titles: Mapping[str, str]) -> Element:
    side = laterality(series.laterality)
    return {
        "uid": series.series_instance_uid,
        "number": _unsigned(series.number),
        "modality": coding(DCM, series.modality or OTHER),
        "description": series.description,
        "numberOfInstances": len(series.instances) or None,
        "bodySite": _body_site(series.body_part),
        "laterality": coding(SNOMED_CT, *side) if side else None,
        "started": instant(series.started),
        "performer": [
            {"function": PERFORMER, "actor": actor} for one in series.performers if (actor := refer(one))
        ],
        # SOP Class is required in FHIR; an instance of which it is not known is counted and not listed.
        "instance": [_instance(instance, titles) for instance in series.instances if instance.sop_class_uid],
    }


def _body_site(examined: str) -> Element:
    """Body Part Examined (0018,0015) as SNOMED CT; what is no defined term of DICOM is kept as text."""
    known = body_part(examined)
    return coding(SNOMED_CT, *known) if known else {"display": examined}


def _instance(instance: Instance, titles: Mapping[str, str]) -> Element:
    return {
        "uid": instance.sop_instance_uid,
        "sopClass": {"system": URI, "code": f"urn:oid:{instance.sop_class_uid}"},
        "number": _unsigned(instance.number),
        "title": titles.get(instance.sop_instance_uid) or instance.title,
    }


def _unsigned(number: int | None) -> int | None:
    """Series and Instance Number are IS in DICOM, which may be negative; FHIR's unsignedInt may not."""
    return number if number is not None and number >= 0 else None

"""HL7 PID and PD1 → Patient (v2-to-FHIR: PID[Patient], XPN[HumanName], XAD[Address], XTN[ContactPoint])."""

import re
from collections.abc import Sequence

from mappings.fhir.codes import administrative_gender
from mappings.fhir.contacts import address, contact_point, human_name, human_names
from mappings.fhir.datatypes import Element, codeable_concept, filled, instant, terminology
from mappings.fhir.identifiers import identifier, visible
from mappings.fhir.people import Who, practitioner_reference, written
from mappings.tables import PACKAGED
from radflow.model import CodedConcept, Patient

MOTHERS_MAIDEN_NAME = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def patient(patient_: Patient, base: str, who: Who | None = None, *, replaces: Sequence[str] = ()) -> Element:
    """The Patient; the first identifier (PID-3) is the one by which it is found.

    `who` refers to the primary care physician; by identifier and name where it is left out. `replaces` refers
    to the Patients that have been merged into this one.
    """
    maiden = written(patient_.mothers_maiden_name)
    physician = patient_.primary_care_physician
    return filled(
        {
            "resourceType": "Patient",
            # Said only after a merge: a merge back makes a Patient active again.
            "active": True if replaces else None,
            "extension": [{"url": MOTHERS_MAIDEN_NAME, "valueString": maiden}] if maiden else [],
            "identifier": [
                identifier(number, visible(number.type) or "MR", base) for number in patient_.identifiers
            ],
            "name": [
                *human_names(patient_.name),
                *(human_name(name, use=None) for name in patient_.other_names),
            ],
            "telecom": [
                *(contact_point(one, "home") for one in patient_.home_telecoms),
                *(contact_point(one, "work") for one in patient_.business_telecoms),
            ],
            "gender": administrative_gender(patient_.sex),
            "birthDate": patient_.birth_date.isoformat() if patient_.birth_date else None,
            **_deceased(patient_),
            "address": [address(one) for one in patient_.addresses],
            "maritalStatus": _marital_status(patient_.marital_status, base),
            "communication": [{"language": _language(patient_.language, base)}],
            "generalPractitioner": [who(physician) if who else practitioner_reference(physician, base)],
            "link": [{"other": {"reference": one}, "type": "replaces"} for one in replaces],
        }
    )


def replaced_by(survivor: str) -> Element:
    """What is to be written of a Patient that has been merged into the one that `survivor` refers to."""
    link = {"other": {"reference": survivor}, "type": "replaced-by"}
    return {"resourceType": "Patient", "active": False, "link": [link]}


def _deceased(patient_: Patient) -> Element:
    """PID-29, or else PID-30."""
    if patient_.died_at:
        return {"deceasedDateTime": instant(patient_.died_at)}
    return {"deceasedBoolean": patient_.deceased}


def _marital_status(status: CodedConcept, base: str) -> Element:
    """HL7 table 0002 → v3-MaritalStatus; U, O and T, which tell none, stay as they were sent."""
    row = PACKAGED.row("marital-status", status.code)
    return terminology("v3-MaritalStatus", *row) if row else codeable_concept(status, base)


def _language(language: CodedConcept, base: str) -> Element:
    """A tag of BCP 47, which the codes of ISO 639 are too, whatever their case; else as it was sent."""
    tag = language.code.strip()
    tag = tag.lower() if len(tag) <= 3 else tag
    if not _LANGUAGE.fullmatch(tag):
        return codeable_concept(language, base)
    return codeable_concept(CodedConcept(code=tag, display=language.display, system="ISO639_1"), base)

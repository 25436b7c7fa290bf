"""HL7 PID → Patient (v2-to-FHIR: PID[Patient], XPN[HumanName])."""

from mappings.dicom.names import from_pn
from mappings.fhir.codes import administrative_gender
from mappings.fhir.datatypes import Element, filled
from mappings.fhir.identifiers import identifier
from radflow.model import Patient, PersonName

REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
"""Extension of HumanName: ABC alphabetic, IDE ideographic, SYL syllabic (XPN-8: A, I, P)."""


def patient(patient_: Patient, base: str) -> Element:
    """The Patient; the first identifier (PID-3) is the one by which it is found."""
    return filled(
        {
            "resourceType": "Patient",
            "identifier": [identifier(number, "MR", base) for number in patient_.identifiers],
            "name": _names(patient_.name),
            "gender": administrative_gender(patient_.sex),
            "birthDate": patient_.birth_date.isoformat() if patient_.birth_date else None,
        }
    )


def _names(name: PersonName) -> list[Element]:
    """The name in each representation in which it was sent; alphabetic is marked only beside others."""
    others = [(name.ideographic, "IDE"), (name.phonetic, "SYL")]
    represented = [_human_name(from_pn(group), code) for group, code in others if group.strip()]
    alphabetic = _human_name(name, "ABC" if represented else None)
    return [alphabetic, *represented]


def _human_name(name: PersonName, representation: str | None) -> Element:
    parts = filled(
        {
            "family": name.family,
            "given": [name.given, name.middle],
            "prefix": [name.prefix],
            "suffix": [name.suffix],
        }
    )
    if not parts:
        return {}
    extension = [{"url": REPRESENTATION, "valueCode": representation}] if representation else []
    return {"extension": extension, "use": "official", **parts}

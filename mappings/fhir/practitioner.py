"""Physicians: HL7 XCN → a Reference by identifier and name, without a Practitioner resource of its own."""

from mappings.fhir.datatypes import Element
from mappings.fhir.identifiers import system_uri, under
from radflow.model import Identifier, PersonName, Practitioner


def practitioner_reference(practitioner: Practitioner, base: str) -> Element:
    """A logical reference (R4 §2.25.1): who it is, for a receiver that has its own Practitioner."""
    display = written(practitioner.name)
    number = practitioner.identifier
    if not display and not number:
        return {}
    return {
        "type": "Practitioner",
        "identifier": _identifier(number, base) if number else None,
        "display": display,
    }


def _identifier(number: Identifier, base: str) -> Element:
    """XCN-1 and XCN-9, without a type: XCN-13 is seldom sent."""
    return {"system": system_uri(number.assigner, base) or under(base, "practitioner"), "value": number.value}


def written(name: PersonName) -> str:
    """The name as it is written in text: `Dr. Ann Mary Miller Jr.`."""
    parts = (name.prefix, name.given, name.middle, name.family, name.suffix)
    return " ".join(part.strip() for part in parts if part.strip())

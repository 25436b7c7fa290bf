"""Physicians and organizations as resources of their own, or as references by identifier and name."""

from collections.abc import Callable

from mappings.fhir.contacts import address, contact_point, human_name
from mappings.fhir.datatypes import Element, filled
from mappings.fhir.identifiers import assigned_number, own_identifier, visible
from radflow.model import CodedConcept, Identifier, Organization, PersonName, Practitioner

Who = Callable[[Practitioner], Element]
"""How a resource refers to a physician: the Reference, empty for nobody."""


def practitioner_reference(practitioner: Practitioner, base: str) -> Element:
    """A logical reference (R4 §2.25.1): who it is, for a receiver that has its own Practitioner."""
    display, number = (
        visible(written(practitioner.name)),
        _number(practitioner.identifier, base, "practitioner"),
    )
    if not display and not number:
        return {}
    return {"type": "Practitioner", "identifier": number, "display": display}


def organization_reference(named: CodedConcept, base: str) -> Element:
    """An organization by a code and a name (OBX-15, ORC-17): a logical reference."""
    number = _number(Identifier(value=named.code, assigner=named.system), base, "organization")
    if not number and not visible(named.display):
        return {}
    return {"type": "Organization", "identifier": number, "display": named.display}


def practitioner_resource(practitioner: Practitioner, base: str) -> Element:
    """Practitioner (v2-to-FHIR: XCN[Practitioner]); empty without an identifier, by which it is found."""
    number = _number(practitioner.identifier, base, "practitioner")
    if not number:
        return {}
    return filled(
        {
            "resourceType": "Practitioner",
            "identifier": [number],
            "name": [human_name(practitioner.name, use=None)],
        }
    )


def practitioner_role(
    practitioner: Practitioner, organization: Organization, *, who: Element, where: Element, base: str
) -> Element:
    """PractitionerRole: the physician at this organization; `who` and `where` refer to both."""
    number, name = practitioner.identifier, organization.identifier
    if not (number and "reference" in who and "reference" in where):
        return {}
    key = f"{number.assigner}/{number.value}@{name.value if name else organization.name}"
    return filled(
        {
            "resourceType": "PractitionerRole",
            "identifier": [own_identifier("practitioner-role", key, base)],
            "practitioner": {"reference": who["reference"]},
            "organization": {"reference": where["reference"]},
        }
    )


def organization_resource(organization: Organization, base: str) -> Element:
    """Organization (v2-to-FHIR: XON[Organization]); without an identifier it is found by its name."""
    number = _number(organization.identifier, base, "organization")
    if not number and not visible(organization.name):
        return {}
    found_by = number or own_identifier("organization", organization.name, base)
    return filled(
        {
            "resourceType": "Organization",
            "identifier": [found_by],
            "name": organization.name,
            "telecom": [contact_point(one, "work") for one in organization.telecoms],
            "address": [address(one) for one in organization.addresses],
        }
    )


def _number(number: Identifier | None, base: str, kind: str) -> Element:
    """XCN-1 and XCN-9, XON-10 and XON-6, without a type: XCN-13 and XON-7 are seldom sent."""
    return assigned_number(number, base, kind) if number else {}


def written(name: PersonName) -> str:
    """The name as it is written in text: `Dr. Ann Mary Miller Jr.`."""
    parts = (name.prefix, name.given, name.middle, name.family, name.suffix)
    return " ".join(part.strip() for part in parts if part.strip())

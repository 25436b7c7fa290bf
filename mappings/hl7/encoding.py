"""radflow's values as HL7 data types: the reverse of `mappings.hl7.datatypes` (v2.5.1 ch. 2A)."""

from datetime import date

from mappings.hl7.ack import escape
from mappings.hl7.reader import Delimiters
from radflow.model import Address, CodedConcept, Identifier, PersonName, Practitioner, Telecom

_D = Delimiters()


def text(value: str) -> str:
    """ST, TX, ID, IS: the value with its delimiters escaped."""
    return escape(value, _D)


def components(*values: str, delimiter: str = "^") -> str:
    """Values as the components of a field, each escaped; empty ones at the end are left out."""
    return delimiter.join(map(text, values)).rstrip(delimiter)


def dt(day: date | None) -> str:
    """DT (§2A.21); `%Y` would leave out the zeros of an early year."""
    return day.isoformat().replace("-", "") if day else ""


def ei(identifier: Identifier | None) -> str:
    """EI, entity identifier and namespace."""
    return components(identifier.value, identifier.assigner) if identifier else ""


def cx(identifier: Identifier | None) -> str:
    """CX, the id number, its assigning authority and its type."""
    if identifier is None:
        return ""
    return components(identifier.value, "", "", identifier.assigner, identifier.type)


def ce(concept: CodedConcept, alternate: CodedConcept | None = None) -> str:
    """CE, CWE; `alternate` goes to the components from the fourth on."""
    other = alternate or CodedConcept()
    return components(
        concept.code, concept.display, concept.system, other.code, other.display, other.system
    )  # fmt: skip


def xpn(name: PersonName) -> list[str]:
    """XPN, with a repetition for each other representation (XPN-8)."""
    repetitions = [components(name.family, name.given, name.middle, name.suffix, name.prefix)]
    for group, code in ((name.ideographic, "I"), (name.phonetic, "P")):
        if group:
            family, given, middle, prefix, suffix = _parts(group)
            repetitions.append(components(family, given, middle, suffix, prefix, "", "", code))
    return [repetition for repetition in repetitions if repetition]


def xcn(practitioner: Practitioner) -> list[str]:
    """XCN, with a repetition for each other representation (XCN-15); XCN-9 is the assigning authority."""
    name, number = practitioner.name, practitioner.identifier
    value, assigner = (number.value, number.assigner) if number else ("", "")
    repetitions = [
        components(value, name.family, name.given, name.middle, name.suffix, name.prefix, "", "", assigner)
    ]
    for group, code in ((name.ideographic, "I"), (name.phonetic, "P")):
        if group:
            family, given, middle, prefix, suffix = _parts(group)
            names = (value, family, given, middle, suffix, prefix)
            repetitions.append(components(*names, "", "", assigner, *[""] * 5, code))
    return [repetition for repetition in repetitions if repetition]


def ndl(practitioner: Practitioner) -> str:
    """NDL: its first component a CNN, in subcomponents."""
    number, name = practitioner.identifier, practitioner.name
    return components(
        number.value if number else "", name.family, name.given, name.middle, name.suffix, name.prefix,
        "", "", number.assigner if number else "", delimiter="&",
    )  # fmt: skip


def xad(address: Address) -> str:
    """XAD."""
    return components(
        address.street, address.other, address.city, address.state, address.postal_code, address.country,
        address.type,
    )  # fmt: skip


def xtn(telecom: Telecom) -> str:
    """XTN: the number as it is written."""
    return components(telecom.value, telecom.use, telecom.equipment)


def _parts(group: str) -> list[str]:
    """A PN component group by its parts: family, given, middle, prefix, suffix."""
    return [*group.split("^"), "", "", "", ""][:5]

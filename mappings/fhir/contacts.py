"""Names, addresses and telephone numbers: XPN, XAD, XTN → HumanName, Address, ContactPoint."""

from mappings.dicom.names import from_pn
from mappings.fhir.datatypes import Element, filled
from mappings.tables import PACKAGED
from radflow.model import Address, PersonName, Telecom

REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
"""Extension of HumanName: ABC alphabetic, IDE ideographic, SYL syllabic (XPN-8: A, I, P)."""


def human_names(name: PersonName) -> list[Element]:
    """The name in each representation in which it was sent; alphabetic is marked only beside others."""
    others = [(name.ideographic, "IDE"), (name.phonetic, "SYL")]
    represented = [human_name(from_pn(group), code) for group, code in others if group.strip()]
    alphabetic = human_name(name, "ABC" if represented else None)
    return [alphabetic, *represented]


def human_name(
    name: PersonName, representation: str | None = None, *, use: str | None = "official"
) -> Element:
    """One representation of a name; empty where there is none."""
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
    return filled({"extension": extension, "use": use, **parts})


def address(given: Address) -> Element:
    """XAD; its type (table 0190) is FHIR's use, or FHIR's type."""
    parts = filled(
        {
            "line": [given.street, given.other],
            "city": given.city,
            "state": given.state,
            "postalCode": given.postal_code,
            "country": given.country,
        }
    )
    if not parts:
        return {}
    use, kind = (PACKAGED.code(table, given.type) for table in ("address-use", "address-type"))
    return filled({"use": use, "type": kind, **parts})


def contact_point(given: Telecom, use: str) -> Element:
    """XTN; `use` is that of the field, where XTN-2 says none."""
    is_mail = given.use == "NET" or "@" in given.value
    system = "email" if is_mail else PACKAGED.code("contact-point-system", given.equipment) or "phone"
    mobile = "mobile" if given.equipment == "CP" and not is_mail else None
    return filled(
        {
            "system": system,
            "value": given.value,
            "use": mobile or PACKAGED.code("contact-point-use", given.use) or use,
        }
    )

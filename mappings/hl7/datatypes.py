"""HL7 data types as radflow's values: CX, EI, CE/CWE, XPN, XCN, CNN, NDL, XAD, XTN, PL (v2.5.1 ch. 2A)."""

from collections.abc import Sequence

from mappings.hl7.reader import Repetition
from radflow.model import (
    Address,
    CodedConcept,
    Identifier,
    Location,
    Organization,
    PersonName,
    Practitioner,
    Telecom,
)

_XPN_REPRESENTATION, _XCN_REPRESENTATION = 8, 15
_XCN_ASSIGNER, _CX_ASSIGNER = 9, 4
_CX_TYPE = 5


def entity_identifier(field: Repetition) -> Identifier | None:
    """EI: the entity identifier, its namespace or else its universal id."""
    value = field.get(1).strip()
    return Identifier(value=value, assigner=field.get(2) or field.get(3)) if value else None


def identifier(field: Repetition) -> Identifier | None:
    """CX: the id number, its assigning authority (HD) and its type (table 0203)."""
    value = field.get(1).strip()
    if not value:
        return None
    return Identifier(value=value, assigner=_authority(field, _CX_ASSIGNER), type=field.get(_CX_TYPE))


def identifiers(repetitions: Sequence[Repetition]) -> tuple[Identifier, ...]:
    """Every CX that has an id number."""
    return tuple(filter(None, map(identifier, repetitions)))


def coded(field: Repetition, first: int = 1) -> CodedConcept:
    """CE, CWE: identifier, text, coding system; `first=4` for the alternate ones."""
    return CodedConcept(code=field.get(first), display=field.get(first + 1), system=field.get(first + 2))


def person_name(repetitions: Sequence[Repetition]) -> PersonName:
    """XPN: family, given, middle, suffix, prefix, with ideographic and phonetic repetitions (XPN-8)."""
    return _name(repetitions, 1, _XPN_REPRESENTATION)


def other_names(repetitions: Sequence[Repetition]) -> tuple[PersonName, ...]:
    """XPN: the alphabetic names after the first, as aliases and maiden names are sent."""
    alphabetic = [each for each in repetitions if each.get(_XPN_REPRESENTATION) not in ("I", "P")]
    return tuple(_name([each], 1, _XPN_REPRESENTATION) for each in alphabetic[1:])


def practitioner(repetitions: Sequence[Repetition]) -> Practitioner:
    """XCN: an identifier (XCN-1, XCN-9), then a name as in XPN."""
    first = repetitions[0] if repetitions else None
    number = first.get(1).strip() if first else ""
    return Practitioner(
        identifier=Identifier(value=number, assigner=_authority(first, _XCN_ASSIGNER))
        if first and number
        else None,
        name=_name(repetitions, 2, _XCN_REPRESENTATION),
    )


def named_with_date(repetitions: Sequence[Repetition]) -> Practitioner:
    """NDL (OBR-32, OBR-34): its first component is a CNN, an XCN in subcomponents."""
    if not repetitions:
        return Practitioner()
    field = repetitions[0]
    # NDL-2 is a time. A name there is an XCN, as many systems send.
    is_xcn = bool(field.get(2)) and not field.get(2).isdigit()
    return practitioner(repetitions if is_xcn else [field.component(1)])


def address(field: Repetition) -> Address:
    """XAD: XAD-1 may be a street address (SAD), whose first part is the line itself."""
    return Address(
        street=field.get(1), other=field.get(2), city=field.get(3), state=field.get(4),
        postal_code=field.get(5), country=field.get(6), type=field.get(7),
    )  # fmt: skip


def organization(field: Repetition) -> Organization:
    """XON: the name, and XON-10 (up to v2.4 XON-3) with its assigning authority (XON-6) and type (XON-7)."""
    name, number = field.get(1).strip(), (field.get(10) or field.get(3)).strip()
    if not number:
        return Organization(name=name)
    assigned = Identifier(value=number, assigner=_authority(field, 6), type=field.get(7))
    return Organization(name=name, identifier=assigned)


def telecom(field: Repetition) -> Telecom | None:
    """XTN: the number as it was written (XTN-1, XTN-12), an address (XTN-4), or the number in its parts."""
    country, area, local, extension = (field.get(number).strip() for number in (5, 6, 7, 8))
    parts = (f"+{country.lstrip('+')}" if country else "", area, local, f"x{extension}" if extension else "")
    told = (field.get(1).strip(), field.get(12).strip(), field.get(4).strip(), " ".join(filter(None, parts)))
    value = next(filter(None, told), "")
    return Telecom(value=value, use=field.get(2), equipment=field.get(3)) if value else None


def location(field: Repetition) -> Location:
    """PL: point of care, room, bed, facility (HD), building, floor, description."""
    return Location(
        point_of_care=field.get(1), room=field.get(2), bed=field.get(3), facility=_authority(field, 4),
        building=field.get(7), floor=field.get(8), description=field.get(9),
    )  # fmt: skip


def _authority(field: Repetition, number: int) -> str:
    return field.get(number) or field.get(number, 2)


def _name(repetitions: Sequence[Repetition], start: int, representation: int) -> PersonName:
    # Only the first of each representation counts: aliases and maiden names follow the legal name.
    by_code: dict[str, Repetition] = {}
    for repetition in repetitions:
        code = repetition.get(representation)
        by_code.setdefault(code if code in ("I", "P") else "A", repetition)
    parts = _parts(by_code.get("A"), start)
    family, given, middle, prefix, suffix = parts
    return PersonName(
        family=family, given=given, middle=middle, prefix=prefix, suffix=suffix,
        ideographic="^".join(_parts(by_code.get("I"), start)).rstrip("^"),
        phonetic="^".join(_parts(by_code.get("P"), start)).rstrip("^"),
    )  # fmt: skip


def _parts(repetition: Repetition | None, start: int) -> list[str]:
    """Family, given, middle, prefix, suffix: HL7 has the suffix before the prefix."""
    if repetition is None:
        return [""] * 5
    return [repetition.get(start + offset).strip() for offset in (0, 1, 2, 4, 3)]

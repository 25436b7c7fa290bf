"""HL7 data types as radflow's values: CX, EI, CE/CWE, XPN, XCN, CNN (v2.5.1 ch. 2A)."""

from collections.abc import Sequence

from mappings.hl7.reader import Repetition
from radflow.model import CodedConcept, Identifier, PersonName, Practitioner

_XPN_REPRESENTATION, _XCN_REPRESENTATION = 8, 15
_XCN_ASSIGNER, _CX_ASSIGNER = 9, 4


def entity_identifier(field: Repetition) -> Identifier | None:
    """EI: the entity identifier, its namespace or else its universal id."""
    value = field.get(1).strip()
    return Identifier(value=value, assigner=field.get(2) or field.get(3)) if value else None


def identifier(field: Repetition) -> Identifier | None:
    """CX: the id number and its assigning authority (HD)."""
    value = field.get(1).strip()
    return Identifier(value=value, assigner=_authority(field, _CX_ASSIGNER)) if value else None


def coded(field: Repetition, first: int = 1) -> CodedConcept:
    """CE, CWE: identifier, text, coding system; `first=4` for the alternate ones."""
    return CodedConcept(code=field.get(first), display=field.get(first + 1), system=field.get(first + 2))


def person_name(repetitions: Sequence[Repetition]) -> PersonName:
    """XPN: family, given, middle, suffix, prefix, with ideographic and phonetic repetitions (XPN-8)."""
    return _name(repetitions, 1, _XPN_REPRESENTATION)


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


def interpreter(repetitions: Sequence[Repetition]) -> Practitioner:
    """NDL (OBR-32): its first component is a CNN, an XCN in subcomponents."""
    if not repetitions:
        return Practitioner()
    field = repetitions[0]
    # NDL-2 is a time. A name there is an XCN, as many systems send.
    is_xcn = bool(field.get(2)) and not field.get(2).isdigit()
    return practitioner(repetitions if is_xcn else [field.component(1)])


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

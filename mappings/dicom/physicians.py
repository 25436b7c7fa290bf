"""Physicians in DICOM: a PN attribute and its Identification Sequence (PS3.3 table 10-1) → Practitioner."""

from pydicom import Dataset
from pydicom.multival import MultiValue

from mappings.dicom.names import from_pn
from radflow.model import CodedConcept, Identifier, Practitioner


def physicians(answer: Dataset, names: str, numbers: str) -> tuple[Practitioner, ...]:
    """Those of the attribute `names`, each with its number: the items of `numbers` come in the same order.

    A Person Identification Code (0040,1101) is a number of the person; its designator is who assigned it.
    """
    value = answer.get(names)
    values = value if isinstance(value, MultiValue | list) else [value]
    people = [from_pn(str(one)) for one in values if one not in (None, "")]
    known = [_number(item) for item in answer.get(numbers) or ()]
    padded = [*known, *[None] * len(people)]
    return tuple(
        Practitioner(name=name, identifier=number) for name, number in zip(people, padded, strict=False)
    )


def codes(answer: Dataset, sequence: str) -> tuple[CodedConcept, ...]:
    """The items of a code sequence (PS3.3 §8)."""
    return tuple(_code(item) for item in answer.get(sequence) or ())


def _number(item: Dataset) -> Identifier | None:
    code = next(iter(codes(item, "PersonIdentificationCodeSequence")), None)
    return Identifier(value=code.code, assigner=code.system) if code and code.code else None


def _code(item: Dataset) -> CodedConcept:
    value, display, system = (
        str(item.get(keyword) or "").strip()
        for keyword in ("CodeValue", "CodeMeaning", "CodingSchemeDesignator")
    )
    return CodedConcept(code=value, display=display, system=system)

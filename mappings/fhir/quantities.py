"""Numbers with units → Quantity (R4 §2.24.0.6), in UCUM where the unit is known there."""

from decimal import Decimal

from mappings.fhir.codes import ucum
from mappings.fhir.datatypes import Element, filled
from radflow.model import CodedConcept

UCUM = "http://unitsofmeasure.org"
_NO_UNIT = CodedConcept()


def quantity(value: Decimal | None, unit: CodedConcept | None, comparator: str = "") -> Element:
    """The Quantity; empty without a value. A unit that is not known in UCUM is kept as text."""
    if value is None:
        return {}
    unit = unit or _NO_UNIT
    code = unit.code if unit.system == "UCUM" else ucum(unit.code) or ucum(unit.display)
    return {
        "value": number(value),
        **filled(
            {
                "comparator": comparator,
                "unit": unit.display or unit.code,
                "system": code and UCUM,
                "code": code,
            }
        ),
    }


def number(value: Decimal) -> int | float:
    """As JSON has it: whole numbers without a point."""
    return int(value) if value == value.to_integral_value() and abs(value) < 10**15 else float(value)

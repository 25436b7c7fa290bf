"""Codes and numbers of FHIR → radflow's values: the reverse of `mappings.fhir.codes` and `identifiers`."""

import re
from functools import cache
from urllib.parse import unquote

from mappings.fhir import received
from mappings.fhir.codes import TERMINOLOGY
from mappings.fhir.identifiers import under
from mappings.fhir.quantities import UCUM
from mappings.tables import packaged
from radflow.model import CodedConcept, Identifier

_V2_TABLE = re.compile(rf"{re.escape(TERMINOLOGY)}/v2-(\d{{4}})")


def concept(given: received.CodeableConcept, base: str) -> CodedConcept:
    """The first coding; without one the text alone."""
    found = next((coding for coding in given.coding if coding.code), None)
    if found is None:
        return CodedConcept(display=given.text)
    return CodedConcept(
        code=found.code, display=found.display or given.text, system=system_name(found.system, base)
    )


def identifier(given: received.Identifier, base: str) -> Identifier | None:
    """The number with who assigned it; None where there is none."""
    value = given.value.strip()
    return Identifier(value=value, assigner=assigner(given.system, base)) if value else None


def assigner(system: str, base: str) -> str:
    """Who assigns an identifier, as HL7 names them: an OID, the local name under `base`, or a URI."""
    if system.startswith("urn:oid:"):
        return system.removeprefix("urn:oid:")
    below = under(base, "")
    return unquote(system.removeprefix(below)) if system.startswith(below) else system


def system_name(uri: str, base: str) -> str:
    """The URI of a code system → its name in HL7 table 0396; a URI that is not in it stays as it is."""
    table = _V2_TABLE.fullmatch(uri)
    return f"HL7{table[1]}" if table else _names().get(uri) or assigner(uri, base)


def unit(given: received.Quantity) -> CodedConcept:
    """The unit of a Quantity."""
    system = "UCUM" if given.system == UCUM else ""
    return CodedConcept(code=given.code or given.unit, display=given.unit, system=system)


@cache
def _names() -> dict[str, str]:
    """The first name in the table is the one in use: SRT, not SNM3."""
    return {row[0]: name for name, row in reversed(list(packaged("coding-systems").items()))}

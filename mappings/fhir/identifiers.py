"""Identifiers: HL7 CX and EI → FHIR Identifier, with its type (table 0203) and its assigner's system."""

import re
from typing import Any
from urllib.parse import quote, urlencode

from radflow.model import Identifier, Order

TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
DICOM_UID = "urn:dicom:uid"
"""System of ImagingStudy.identifier for the Study Instance UID (R4 §8.16.5)."""

UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""Control characters that a FHIR string shall not contain: all but tab, carriage return and line feed."""

_SEPARATES = re.compile(r"[\\,|$%]")
_OID = re.compile(r"[0-2](\.(0|[1-9]\d*))+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


def visible(text: str) -> str:
    """The text without the characters that a FHIR string shall not contain, and without space around it."""
    return UNSEEN.sub("", text).strip()


def system_uri(name: str, base: str) -> str | None:
    """The URI for who assigns: an OID or a URI as it is, a local name (HD-1) under the site's base URI."""
    name = visible(name)
    if not name:
        return None
    if _OID.fullmatch(name):
        return f"urn:oid:{name}"
    if _URI.fullmatch(name):
        return name
    return under(base, name)


def under(base: str, name: str) -> str:
    """`urn:radflow` and `EHR` → `urn:radflow:EHR`; below a URL with a slash."""
    separator = ":" if base.startswith("urn:") else "/"
    return base.rstrip(separator) + separator + quote(name, safe="")


def identifier(given: Identifier, type_code: str, base: str) -> dict[str, Any]:
    """The identifier with its type; without an assigner it is the site's own, with a system for each type.

    Empty when it has no value.
    """
    code = " ".join(visible(type_code).split())
    assigned = assigned_number(given, base, code)
    return {"type": {"coding": [{"system": TYPES, "code": code}]}, **assigned} if assigned else {}


def assigned_number(given: Identifier, base: str, kind: str) -> dict[str, Any]:
    """The identifier without a type; without an assigner it is the site's own, of this kind.

    Empty when it has no value.
    """
    value = visible(given.value)
    if not value:
        return {}
    return {"system": system_uri(given.assigner, base) or under(base, kind), "value": value}


def order_identifiers(order: Order, base: str) -> list[dict[str, Any]]:
    """Placer (ORC-2) and filler (ORC-3) order number and accession number of the order, as far as given."""
    numbers = [(order.placer_order_number, "PLAC"), (order.filler_order_number, "FILL")]
    given = [identifier(number, code, base) for number, code in numbers if number]
    return [*given, accession_identifier(order.accession_number, base)]


def accession_identifier(number: str, base: str, assigner: str = "") -> dict[str, Any]:
    """Accession Number (0008,0050), which the site assigns unless its issuer (0008,0051) is another."""
    return identifier(Identifier(value=number, assigner=assigner), "ACSN", base)


def own_identifier(kind: str, key: str, base: str) -> dict[str, Any]:
    """radflow's own name for what it publishes of an order: never changes, and nobody else assigns it.

    What separates tokens in a search is percent-encoded in it: not every server understands escapes there.
    """
    return {"system": under(base, kind), "value": _SEPARATES.sub(lambda one: quote(one[0]), visible(key))}


def dicom_uid(uid: str) -> dict[str, Any]:
    """The identifier of an ImagingStudy: its Study Instance UID (0020,000D)."""
    return {"system": DICOM_UID, "value": f"urn:oid:{uid}"}


def search_by_identifier(resource: dict[str, Any]) -> str:
    """The conditional URL that finds the resource, by the first of its identifiers (R4 §3.1.0.4.3).

    A Provenance has none: it bears one as a tag, and is found by that. `,`, `|` and `$` inside a token are
    escaped by a backslash (R4 §3.1.1.4.0.1).
    """
    if "identifier" in resource:
        parameter, first = "identifier", resource["identifier"][0]
        parts = first["system"], first["value"]
    else:
        parameter, first = "_tag", resource["meta"]["tag"][0]
        parts = first["system"], first["code"]
    token = "|".join(re.sub(r"([\\,|$])", r"\\\1", part) for part in parts)
    return f"{resource['resourceType']}?{urlencode({parameter: token}, quote_via=quote)}"

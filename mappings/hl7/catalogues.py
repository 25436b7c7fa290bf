"""MFN → changes of a site's catalogues (v2.5.1 ch. 8).

| event | what follows MFE | entry |
|---|---|---|
| M02 | STF, PRA | staff: STF-1, STF-2, STF-3; PRA-5 |
| M04 | CDM | procedure: CDM-7, or else MFE-4; CDM-3, CDM-4 |
| M05 | LOC | location: LOC-1, LOC-2, LOC-3 |
| M08 | OM1 | procedure: OM1-2; OM1-8 to OM1-11 |
| M13, M01 | nothing, or one of the above | as the segment says, or else MFI-1 (table 0175); MFE-4 |

M01 and M13 are general: HL7 defines no segment for what they bring, so the entry's own segment, where a
sender adds one, comes before the name of the file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from zoneinfo import ZoneInfo

from mappings.hl7.datatypes import coded, identifier, location, person_name
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.fields import first_time, missing
from mappings.hl7.reader import Hl7Message, Segments
from radflow.model import CodedConcept, Practitioner

Kind = Literal["procedure", "location", "staff"]

EVENTS = ("M01", "M02", "M04", "M05", "M08", "M13")

_FILES: dict[str, Kind] = {
    "CDM": "procedure", "OMA": "procedure", "OMB": "procedure", "OMC": "procedure", "OMD": "procedure",
    "OME": "procedure", "OM1": "procedure", "CMA": "procedure", "CMB": "procedure",
    "LOC": "location", "STF": "staff", "PRA": "staff",
}  # fmt: skip
"""MFI-1, HL7 table 0175."""

_SEGMENTS: dict[str, Kind] = {"STF": "staff", "LOC": "location", "OM1": "procedure", "CDM": "procedure"}


class CatalogueAction(StrEnum):
    """MFE-1, HL7 table 0180."""

    ADD = "MAD"
    UPDATE = "MUP"
    DELETE = "MDL"
    DEACTIVATE = "MDC"
    REACTIVATE = "MAC"


@dataclass(frozen=True)
class CatalogueChange:
    """One MFE, with the segments that describe its entry."""

    site: str
    kind: Kind
    action: CatalogueAction
    system: str
    """Coding system or assigner of the code; empty for the site's own."""
    code: str
    document: dict[str, Any]
    """The entry as JSON: a `CodedConcept` (procedure), a `Location` or a `Practitioner`, and more.

    Procedure: `code`, `display`, `system`, `short_name`, `other_names`. Location: with `type` (table 0260).
    Staff: with `active` (STF-7; None when not told) and `specialty` (PRA-5).
    """
    effective_at: datetime | None
    """MFE-3, or else MFI-5; None: at once."""


def check_catalogue(message: Hl7Message) -> None:
    """See whether each entry says what is done to what: cheap.

    Raises:
        NotTakable: there is no MFE, or one without a known action, a key or a kind.
    """
    entries = message.groups_from("MFE")
    if not entries:
        raise NotTakable(ErrorCode.SEGMENT_SEQUENCE_ERROR, "MFE^1", "The message has no entry (MFE).")
    for number, entry in enumerate(entries, start=1):
        if entry.get("MFE-1") not in list(CatalogueAction):
            raise NotTakable(
                ErrorCode.TABLE_VALUE_NOT_FOUND, f"MFE^{number}^1",
                f"MFE-1 is none of {', '.join(CatalogueAction)}.",
            )  # fmt: skip
        if _kind(message, entry) is None:
            raise NotTakable(
                ErrorCode.TABLE_VALUE_NOT_FOUND, "MFI^1^1",
                "MFI-1 names no file that is kept: procedures, locations and staff are.",
            )  # fmt: skip
        if not entry.get("MFE-4").strip():
            raise missing(f"MFE^{number}^4", "MFE-4 does not say which entry.")


def read_catalogue(message: Hl7Message, *, site: str, zone: ZoneInfo) -> list[CatalogueChange]:
    """The changes, in the order in which they are told.

    Args:
        site: whose catalogue it is.
        zone: the site's, for times without one.

    Raises:
        NotTakable: something needed is missing, or a time is none.
    """
    check_catalogue(message)
    effective = first_time(message, ("MFI-5",), zone)
    return [
        _change(message, entry, site, first_time(entry, ("MFE-3",), zone) or effective)
        for entry in message.groups_from("MFE")
    ]


def _change(
    message: Hl7Message, entry: Segments, site: str, effective_at: datetime | None
) -> CatalogueChange:
    kind = _kind(message, entry)
    assert kind is not None
    system, code, document = _READERS[kind](entry)
    return CatalogueChange(
        site=site,
        kind=kind,
        action=CatalogueAction(entry.get("MFE-1")),
        system=system,
        code=code,
        document=document,
        effective_at=effective_at,
    )


def _kind(message: Hl7Message, entry: Segments) -> Kind | None:
    told = (kind for segment, kind in _SEGMENTS.items() if entry.has(segment))
    return next(told, None) or _FILES.get(message.get("MFI-1").upper())


def _procedure(entry: Segments) -> tuple[str, str, dict[str, Any]]:
    """OM1-2, or else CDM-7, or else MFE-4, each a CE."""
    key = coded(entry.field("MFE-4"))
    fields = (coded(entry.field(path)) for path in ("OM1-2", "CDM-7"))
    concept = next((each for each in fields if each.code), key)
    long_names = (entry.get(path) for path in ("OM1-11", "OM1-9", "CDM-4", "CDM-3"))
    display = concept.display or next(filter(None, long_names), "")
    named = CodedConcept(code=concept.code, display=display, system=concept.system)
    more = {
        "short_name": entry.get("OM1-10") or entry.get("CDM-3"),
        "other_names": [each.text for each in entry.repetitions("OM1-8")],
    }
    return concept.system, concept.code, named.model_dump(mode="json") | more


def _location(entry: Segments) -> tuple[str, str, dict[str, Any]]:
    """LOC-1, or else MFE-4, each a PL: its code is point of care, room and bed, with `^` between."""
    field = entry.field("LOC-1" if entry.get("LOC-1") else "MFE-4")
    place = location(field)
    code = "^".join((place.point_of_care, place.room, place.bed)).rstrip("^")
    described = place.model_copy(update={"description": entry.get("LOC-2") or place.description})
    return place.facility, code, described.model_dump(mode="json") | {"type": entry.get("LOC-3")}


def _staff(entry: Segments) -> tuple[str, str, dict[str, Any]]:
    """STF-2, a CX, or else STF-1 or MFE-4."""
    number = identifier(entry.field("STF-2"))
    key = coded(entry.field("STF-1" if entry.get("STF-1") else "MFE-4"))
    person = Practitioner(identifier=number, name=person_name(entry.repetitions("STF-3")))
    more = {
        "active": {"A": True, "I": False}.get(entry.get("STF-7")),
        "specialty": entry.get("PRA-5"),
    }
    system, code = (number.assigner, number.value) if number else (key.system, key.code)
    return system, code, person.model_dump(mode="json") | more


_READERS: dict[Kind, Callable[[Segments], tuple[str, str, dict[str, Any]]]] = {
    "procedure": _procedure,
    "location": _location,
    "staff": _staff,
}

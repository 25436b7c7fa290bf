"""Reading a message: from its bytes to what it says. Before the transaction, and without one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from mappings.fhir.report_source import RESOURCE_TYPE, NotAReport, read_collection
from mappings.hl7 import times
from mappings.hl7.acceptance import TAKEN, message_type
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.reader import Hl7Message
from radflow.order import NotAllowed
from radflow.services.intake import (
    catalogues,
    fhir_reports,
    orders,
    patients,
    reports,
    rules,
    schedules,
)
from radflow.services.intake.rules import Copies
from radflow.services.intake.taken import Taken
from radflow.settings import Site
from radflow.store.tables import Message


@dataclass(frozen=True)
class Kind:
    """How messages of a kind are read and applied."""

    read: Callable[[Any, Site], Sequence[Any]]
    apply: Callable[[Session, Sequence[Taken[Any]], datetime], None]
    together: bool = False
    """Whether many of them, one after another, are best applied at once."""


_ORDERS = Kind(orders.read, orders.apply)
KINDS: dict[str, Kind] = {
    "ORM": _ORDERS,
    "OMG": _ORDERS,
    "OMI": _ORDERS,
    "ORU": Kind(reports.read, reports.apply),
    "SIU": Kind(schedules.read, schedules.apply),
    "ADT": Kind(patients.read, patients.apply, together=True),
    "MFN": Kind(catalogues.read, catalogues.apply, together=True),
}
"""MSH-9.1 → how it is taken."""
_RESOURCES = Kind(fhir_reports.read, reports.apply)


@dataclass(frozen=True)
class Reading:
    """A message that was read: what it says, or why it cannot be taken."""

    message_id: int
    site: Site | None = None
    kind: Kind | None = None
    said: Sequence[Any] = ()
    sent_at: datetime | None = None
    """MSH-7."""
    sent_surely_at: datetime | None = None
    """MSH-7, where it tells the second: by it messages of one sender are put in order."""
    patients: frozenset[str] = field(default=frozenset())
    """The patient identifiers that it bears, to find it by."""
    refusal: str = ""
    """In words free of patient data."""
    filtered: str = ""
    """Why the site does not want it."""
    copies: Copies | None = None
    """To whom it is passed on as it came."""


def read(message: Message, sites: Mapping[str, Site]) -> Reading:
    """Read a message by the rules of its site. Never raises: what cannot be read says why."""
    assert message.id is not None
    reading = Reading(message.id)
    try:
        if message.site not in sites:
            raise NotTakable(ErrorCode.APPLICATION_INTERNAL_ERROR, "", "Its site has no site file any more.")
        site = sites[message.site]
        if message.message_type == RESOURCE_TYPE:
            return _read_resource(message, site)
        hl7 = Hl7Message(message.raw)
        reading = Reading(
            message.id,
            site,
            patients=_patient_numbers(hl7),
            sent_at=_sent_at(hl7, site.zone),
            sent_surely_at=times.to_instant(hl7.get("MSH-7"), site.zone),
        )
        if filtered := rules.why_filtered(hl7, site):
            return replace(reading, filtered=filtered)
        as_read = rules.as_site_reads(hl7, site)
        reading = replace(reading, patients=reading.patients | _patient_numbers(as_read))
        kind = _kind(hl7)
        copies = rules.copies_of(hl7, as_read, site, message.raw)
        return replace(reading, kind=kind, said=kind.read(as_read, site), copies=copies)
    except Exception as error:
        return replace(reading, refusal=reason_of(error))


def _read_resource(message: Message, site: Site) -> Reading:
    assert message.id is not None
    found = read_collection(message.raw)
    changed_at = fhir_reports.changed_at(found)
    reading = Reading(
        message.id,
        site,
        _RESOURCES,
        sent_at=changed_at,
        sent_surely_at=changed_at,
        patients=fhir_reports.patient_numbers(found),
    )
    return replace(reading, said=_RESOURCES.read(found, site))


def reason_of(error: Exception) -> str:
    """Why a message cannot be taken. Only our own errors have a text that is free of patient data."""
    ours = isinstance(error, NotTakable | NotAllowed | NotAReport)
    return str(error) if ours else f"It could not be processed: {type(error).__name__}."


def _kind(hl7: Hl7Message) -> Kind:
    named = message_type(hl7)
    if named not in TAKEN:
        raise NotTakable(
            ErrorCode.UNSUPPORTED_MESSAGE_TYPE, "MSH^1^9", "Messages of this type are not taken."
        )
    return KINDS[named.partition("^")[0]]


def _patient_numbers(hl7: Hl7Message) -> frozenset[str]:
    """PID-3.1 and MRG-1.1."""
    fields = (("PID", "PID-3"), ("MRG", "MRG-1"))
    return frozenset(
        repetition.get().strip()
        for name, path in fields
        for segment in hl7.each(name)
        for repetition in segment.repetitions(path)
    )


def _sent_at(hl7: Hl7Message, zone: ZoneInfo) -> datetime | None:
    try:
        return times.to_utc(hl7.get("MSH-7"), zone)
    except ValueError:
        return None

"""A site's own rules on a message, after its ACK: is it wanted, how is it to be read, who gets a copy.

A copy goes to its destination as the message came, in the transaction in which the intake looks at it, and
whatever the intake then makes of it: what waits here for its order does not keep others waiting. Only what is
filtered, or cannot be read, is passed on to nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from mappings.hl7.datatypes import identifier
from mappings.hl7.reader import Hl7Message
from mappings.rules.rewriting import rewritten
from mappings.rules.verdicts import destinations_of, filtered_by
from radflow.model import Identifier
from radflow.settings import Site
from radflow.store import outbox
from radflow.store.patients import named_now
from radflow.store.tables import Message


@dataclass(frozen=True)
class Copies:
    """A message that is passed on."""

    site: str
    destinations: Sequence[str]
    patient: Identifier | None
    """PID-3, as the site reads it."""
    payload: bytes


def why_filtered(message: Hl7Message, site: Site) -> str:
    """The words for a message that the site does not want; empty when it does."""
    rule = filtered_by(message, site.filters)
    if rule is None:
        return ""
    return f"The site's filter {rule.name!r} drops it" + (f": {rule.reason}" if rule.reason else ".")


def as_site_reads(message: Hl7Message, site: Site) -> Hl7Message:
    """The message with the site's identifiers and codes. Raises NotTakable as `rewritten` does."""
    return rewritten(message, site.patient_identifiers, site.tables)


def copies_of(message: Hl7Message, as_read: Hl7Message, site: Site, raw: bytes) -> Copies | None:
    """To whom the message is passed on; None where it is to nobody."""
    destinations = destinations_of(message, site.routes)
    if not destinations:
        return None
    return Copies(site.name, destinations, identifier(as_read.field("PID-3")), raw)


def pass_on(session: Session, message: Message, copies: Copies, now: datetime) -> None:
    """Queue the message for its destinations; a replay queues nothing twice."""
    named = named_now(session, copies.site, copies.patient) if copies.patient else None
    for destination in copies.destinations:
        outbox.queue(
            session,
            site=copies.site,
            destination=destination,
            queue=outbox.queue_of_patient(named),
            message_type=message.message_type,
            control_id=message.control_id,
            payload=copies.payload,
            now=now,
            message_id=message.id,
        )

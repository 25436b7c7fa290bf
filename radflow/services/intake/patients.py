"""ADT: patients told of, merged, renamed; many messages at once, never a flow run each (IHE RAD-1, RAD-12).

Only orders that are affected have an event, and only those that have something to do are woken.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from mappings.hl7.patients import PatientAction, PatientMessage, read_patients
from mappings.hl7.reader import Hl7Message
from radflow.order import Event
from radflow.services.intake.taken import Taken
from radflow.settings import Site
from radflow.store import following, messages, outbox
from radflow.store.patients import Patients
from radflow.store.standing import Sent

_MERGES = frozenset({PatientAction.MERGE, PatientAction.CHANGE_IDENTIFIER})


def read(message: Hl7Message, site: Site) -> Sequence[PatientMessage]:
    """What the message says of its patients. Raises NotTakable as `read_patients` does."""
    return read_patients(message, zone=site.zone)


def apply(session: Session, batch: Sequence[Taken[Sequence[PatientMessage]]], now: datetime) -> None:
    """Apply the messages to the patients whom they name, and to these patients' orders."""
    known = Patients(
        session,
        (
            (taken.site.name, identifier)
            for taken in batch
            for one in taken.said
            for identifier in (*one.patient.identifiers, *one.prior)
        ),
    )
    with_orders = following.having_orders(session, known.ids)
    changed = {
        taken.id: {
            key for one in taken.said for key in _apply_one(session, known, with_orders, one, taken, now)
        }
        for taken in batch
    }
    known.write()
    messages.mark_all_processed(session, changed, now)


def _apply_one(
    session: Session,
    known: Patients,
    with_orders: set[int],
    one: PatientMessage,
    taken: Taken[Sequence[PatientMessage]],
    now: datetime,
) -> set[str]:
    """The keys of the orders that follow."""
    if one.action is PatientAction.NOTHING:
        return set()
    site, identifiers, sent = taken.site.name, one.patient.identifiers, Sent.of(taken.message)
    if one.action in _MERGES:
        queues = {outbox.queue_of_patient(known.name(site, each)) for each in (*one.prior, *identifiers)}
        row, before = known.merge(site, identifiers, one.prior, one.on_top_of, told_by=sent, now=now)
        event = Event.PATIENT_MERGED
        into = outbox.queue_of_patient(known.name(site, identifiers[0]))
        for destination in taken.site.destinations:
            outbox.join(session, site, destination.name, queues, into)
    else:
        row, before = known.update(site, identifiers, one.on_top_of, told_by=sent, now=now), set()
        event = Event.PATIENT_CHANGED
    if row.id is None or not with_orders & {row.id, *before}:
        return set()
    if event is Event.PATIENT_CHANGED and taken.site.enrichment.patient == "order":
        # What such a site's orders show of their patients is theirs alone.
        return set()
    with_orders.add(row.id)
    return following.follow(
        session,
        row.id,
        known.document(row),
        event,
        before=before,
        source=taken.source,
        occurred_at=one.occurred_at or taken.sent_at,
        now=now,
    )

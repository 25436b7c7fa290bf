"""SIU: appointments of orders that are known (IHE RAD-48).

S12, S13, S14 give the order its time and place. S15 takes its time back: the order stays, and the worklist
shows it on the day it was requested. S26 (the patient did not come) leaves everything, and asks for a person.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from mappings.hl7.reader import Hl7Message
from mappings.hl7.schedules import ScheduleAction, ScheduleMessage, read_schedules
from radflow.model import Order
from radflow.order import Event, State
from radflow.services.intake import numbers
from radflow.services.intake.late import lay_under
from radflow.services.intake.taken import SUPERSEDED, OrderUnknown, Taken
from radflow.settings import Site
from radflow.store import messages, orders
from radflow.store.standing import superseded
from radflow.store.tables import OrderRow

TOO_LATE = "The examination has taken place or the order is cancelled: its schedule is no longer changed."

_TO_BE_DONE = frozenset({State.RECEIVED, State.WORKLISTED, State.HELD})


def read(message: Hl7Message, site: Site) -> Sequence[ScheduleMessage]:
    """The appointments of the message. Raises NotTakable as `read_schedules` does."""
    return read_schedules(message, site=site.name, zone=site.zone)


def apply(session: Session, batch: Sequence[Taken[Sequence[ScheduleMessage]]], now: datetime) -> None:
    """Schedule the orders.

    Raises:
        OrderUnknown: an order is not there yet.
    """
    for taken in batch:
        keys: set[str] = set()
        notes: set[str] = set()
        for one in taken.said:
            row = _find(session, one, taken.site)
            keys.add(row.key)
            notes.add(_apply_one(session, row, one, taken, now))
        note = "" if "" in notes else " ".join(sorted(notes))
        messages.mark_processed(session, taken.message, keys, now, note)


def _apply_one(
    session: Session,
    row: OrderRow,
    one: ScheduleMessage,
    taken: Taken[Sequence[ScheduleMessage]],
    now: datetime,
) -> str:
    """Why nothing was changed; empty when it was, or was so already."""
    no_show = one.action is ScheduleAction.NO_SHOW
    if State(row.state) not in _TO_BE_DONE:
        return TOO_LATE
    if superseded(session, row.key, taken.message, Event.NO_SHOW if no_show else Event.ORDER_CHANGED):
        return "" if not no_show and lay_under(session, row, taken, now) else SUPERSEDED
    at, detail = one.occurred_at or taken.sent_at, {"control": one.event}
    if no_show:
        orders.append(
            session, row, Event.NO_SHOW, source=taken.source, occurred_at=at, now=now, detail=detail
        )
        return ""
    order = one.on_top_of(Order.model_validate(row.document))
    orders.place(
        session,
        order,
        source=taken.source,
        occurred_at=at,
        now=now,
        told_by=taken.message.id,
        preference=taken.site.enrichment.patient,
        detail=detail,
    )
    return ""


def _find(session: Session, one: ScheduleMessage, site: Site) -> OrderRow:
    row = orders.of_numbers(
        session,
        site.name,
        placer=one.placer,
        filler=one.filler,
        accession_number=one.accession_number,
    )
    if row is None:
        raise OrderUnknown(numbers.of_schedule(one.placer, one.filler, one.accession_number))
    session.refresh(row, with_for_update=True)
    return row

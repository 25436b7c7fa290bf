"""ORM, OMG, OMI: orders placed, changed, held, released, replaced, cancelled (IHE RAD-2, RAD-4, RAD-13).

A change of an unknown order places it: an order filler may know an order before its placer's message is here.
Whatever else is said of an unknown order waits until it is placed.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlmodel import Session

from mappings.dicom import mpps
from mappings.hl7.orders import OrderAction, OrderMessage, read_orders
from mappings.hl7.reader import Hl7Message
from mappings.hl7.steps import MODALITY_UNKNOWN
from radflow.model import Order
from radflow.order import Event, NotAllowed, State
from radflow.services.intake import numbers, refusals
from radflow.services.intake.late import NEW, is_undone, lay_under
from radflow.services.intake.taken import SUPERSEDED, UNKNOWN_ORDER, OrderUnknown, Taken
from radflow.settings import Site
from radflow.store import catalogues, messages, orders, performed_steps
from radflow.store.by_hand import cancellation
from radflow.store.messages import LinkKind
from radflow.store.standing import superseded
from radflow.store.tables import OrderRow

_CONTROLS: dict[OrderAction, tuple[Event, State]] = {
    OrderAction.CANCELS: (Event.ORDER_CANCELLED, State.CANCELLED),
    OrderAction.DISCONTINUES: (Event.ORDER_CANCELLED, State.CANCELLED),
    OrderAction.HOLDS: (Event.ORDER_HELD, State.HELD),
}
"""The event of a control, and the state in which it says nothing new."""


def read(message: Hl7Message, site: Site) -> Sequence[OrderMessage]:
    """What the message says of its orders. Raises NotTakable as `read_orders` does."""
    return read_orders(
        message, site=site.name, zone=site.zone, uid_root=site.uid_root, tables=site.code_tables
    )


def apply(session: Session, batch: Sequence[Taken[Sequence[OrderMessage]]], now: datetime) -> None:
    """Apply all that each message says of its orders.

    Raises:
        OrderUnknown: an order is not there yet.
    """
    for taken in batch:
        _apply(session, taken, now)


def _apply(session: Session, taken: Taken[Sequence[OrderMessage]], now: datetime) -> None:
    keys: dict[str, bool] = {}
    missing: set[str] = set()
    refused: list[str] = []
    for one in taken.said:
        try:
            # What one order refuses does not keep the message's others from what it says of them.
            with session.begin_nested():
                if one.action is OrderAction.REPLACES and not _cancel_replaced(session, one, taken, now):
                    missing.add(one.replaces_key)
                key, heard = _apply_one(session, one, taken, now)
        except NotAllowed as error:
            refused.append(_refuse(session, one, error, taken, now))
        else:
            keys[key] = keys.get(key, False) or heard
    if refused:
        messages.link(session, {taken.id: keys}, LinkKind.ORDER)
        messages.quarantine(session, taken.message, "; ".join(refused), now)
    elif missing:
        messages.mark_waiting(session, taken.message, UNKNOWN_ORDER, missing, now)
    else:
        note = "" if any(keys.values()) else SUPERSEDED
        messages.mark_processed(session, taken.message, keys, now, note)


def _refuse(session: Session, one: OrderMessage, error: NotAllowed, taken: Taken[Any], now: datetime) -> str:
    """Tell the placer that it cannot be done; returns why, for the quarantine."""
    replaces = one.action is OrderAction.REPLACES
    row = session.get(OrderRow, one.replaces_key) if replaces else _find(session, one)
    unable = refusals.tell_placer(session, row, "RP" if replaces else one.control, taken, now) if row else ""
    return f"{error}; its placer is told so ({unable})" if unable else str(error)


def _apply_one(session: Session, one: OrderMessage, taken: Taken[Any], now: datetime) -> tuple[str, bool]:
    """The key of the order, and whether the message still had something to say of it."""
    row = _find(session, one)
    if one.action in (OrderAction.PLACES, OrderAction.REPLACES):
        return _place(session, row, one, taken, now)
    if row is None:
        raise OrderUnknown(_awaited(one))
    if one.action is OrderAction.STATUS:
        return _place(session, row, one, taken, now)
    if one.action is OrderAction.RELEASES:
        return _release(session, row, one, taken, now)
    event, already = _CONTROLS[one.action]
    return _control(session, row, event, already, one, taken, now)


def _place(
    session: Session, row: OrderRow | None, one: OrderMessage, taken: Taken[Any], now: datetime
) -> tuple[str, bool]:
    if row and (
        superseded(session, row.key, taken.message, _content(one)) or _overtaken(session, row, one, taken)
    ):
        return row.key, lay_under(session, row, taken, now)
    known = Order.model_validate(row.document) if row else None
    order = _by_catalogue(session, one.on_top_of(known), known, now)
    placed = orders.place(
        session,
        order,
        source=taken.source,
        occurred_at=one.occurred_at or taken.sent_at,
        now=now,
        told_by=taken.message.id,
        preference=taken.site.enrichment.patient,
        detail={"control": one.control, "sent_at": taken.sent_at.isoformat()},
    )
    messages.requeue_waiting_for(session, order.site, numbers.of_order(order))
    if row is None:
        performed_steps.link_new(session, placed, partial(mpps.read, zone=taken.site.zone), now)
    return order.key, True


def _content(one: OrderMessage) -> Event:
    return Event.ORDER_RECEIVED if one.control in NEW else Event.ORDER_CHANGED


def _overtaken(session: Session, row: OrderRow, one: OrderMessage, taken: Taken[Any]) -> bool:
    """Whether a new order comes late: a change of it, sent later (MSH-7), has placed it already."""
    if one.control not in NEW:
        return False
    placing = orders.events_of(session, row.key)[0].detail
    changed = placing.get("control", one.control) not in NEW
    return changed and str(placing["sent_at"]) > taken.sent_at.isoformat()


def _control(
    session: Session,
    row: OrderRow,
    event: Event,
    already: State,
    one: OrderMessage,
    taken: Taken[Any],
    now: datetime,
) -> tuple[str, bool]:
    if row.state == already or superseded(session, row.key, taken.message, event):
        return row.key, row.state == already
    if is_undone(session, row, one.action, taken):
        return row.key, False
    if event is Event.ORDER_CANCELLED:
        event = cancellation(State(row.state), taken.site.orders.cancel_after_start)
    at = one.occurred_at or taken.sent_at
    detail = {"control": one.control}
    orders.append(session, row, event, source=taken.source, occurred_at=at, now=now, detail=detail)
    return row.key, True


def _release(
    session: Session, row: OrderRow, one: OrderMessage, taken: Taken[Any], now: datetime
) -> tuple[str, bool]:
    """An order that is not held needs no release."""
    if row.state != State.HELD:
        return row.key, True
    return _control(session, row, Event.ORDER_RELEASED, State.RECEIVED, one, taken, now)


def _cancel_replaced(session: Session, one: OrderMessage, taken: Taken[Any], now: datetime) -> bool:
    """Cancel what is replaced; False when it is not known yet. The new order does not wait for that."""
    row = session.get(OrderRow, one.replaces_key, with_for_update=True)
    if row:
        _control(session, row, Event.ORDER_CANCELLED, State.CANCELLED, one, taken, now)
    return row is not None


def _find(session: Session, one: OrderMessage) -> OrderRow | None:
    """By the order's key; by the filler's number where the message has no other."""
    row = session.get(OrderRow, one.order.key, with_for_update=True)
    filler = one.order.filler_order_number
    if row or one.order.placer_order_number or filler is None:
        return row
    found = orders.of_numbers(session, one.order.site, filler=filler)
    known = Order.model_validate(found.document).filler_order_number if found else None
    return found if known and known.names_the_same_as(filler) else None


def _awaited(one: OrderMessage) -> set[str]:
    filler = one.order.filler_order_number
    by_filler = {filler.value} if filler and not one.order.placer_order_number else set()
    return {one.order.key} | by_filler


def _by_catalogue(session: Session, order: Order, known: Order | None, now: datetime) -> Order:
    """The order with what the site's catalogue says of its procedure, where its messages leave that empty.

    Only when the order is new, or has another procedure now: a catalogue changes later orders, not past ones.
    """
    lacks_modality = any(step.modality == MODALITY_UNKNOWN for step in order.steps)
    if order.procedure.display and not lacks_modality:
        return order
    if known and known.procedure.code == order.procedure.code:
        return _filled(order, known.procedure.display, known.modality)
    entry = catalogues.procedure(session, order.site, order.procedure, now)
    if entry is None:
        return order
    return _filled(order, str(entry.document.get("display", "")), str(entry.document.get("modality", "")))


def _filled(order: Order, display: str, modality: str) -> Order:
    steps = tuple(
        step.model_copy(update={"modality": modality})
        if step.modality == MODALITY_UNKNOWN and modality
        else step
        for step in order.steps
    )
    procedure = order.procedure.model_copy(update={"display": order.procedure.display or display})
    return order.model_copy(update={"procedure": procedure, "steps": steps})

"""Messages as the listener stores them, and what the intake makes of them."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlmodel import select

from mappings.hl7.acceptance import judge
from radflow.model import Order
from radflow.order import Event
from radflow.services.intake import take_in
from radflow.settings import Site
from radflow.store import messages, orders
from radflow.store.engine import Store
from radflow.store.messages import Arrival, MessageState
from radflow.store.tables import Message, OrderEvent, OrderRow
from tests.hl7_builders import message, segment

SITES: Mapping[str, Site] = {"main": Site(name="main", time_zone="Europe/Berlin")}


def keep(store: Store, now: datetime, *raws: bytes, site: str = "main") -> None:
    """Store messages as the listener does."""
    with store.write() as session:
        messages.keep(session, [_arrival(raw, site, now) for raw in raws])


def receive(
    store: Store,
    now: datetime,
    *raws: bytes,
    site: str = "main",
    sites: Mapping[str, Site] = SITES,
) -> list[tuple[str, str]]:
    """Store messages and take them in; what has become of all messages, oldest first."""
    keep(store, now, *raws, site=site)
    while take_in(store, sites, now, limit=100):
        pass
    return became(store)


def replay(store: Store, now: datetime, message_id: int) -> None:
    """Have a message looked at once more."""
    with store.write() as session:
        kept = session.get_one(Message, message_id)
        kept.state, kept.reason = MessageState.RECEIVED, ""
        session.add(kept)
    while take_in(store, SITES, now):
        pass


def became(store: Store) -> list[tuple[str, str]]:
    """State and reason of every message, oldest first."""
    with store.read() as session:
        return [(row.state, row.reason) for row in session.exec(select(Message).order_by(Message.id))]  # type: ignore[arg-type]


def states(store: Store, now: datetime, *raws: bytes) -> list[str]:
    """As `receive`, without the reasons."""
    return [state for state, _ in receive(store, now, *raws)]


def the_orders(store: Store) -> Sequence[OrderRow]:
    """All orders by placer order number."""
    with store.read() as session:
        return session.exec(select(OrderRow).order_by(OrderRow.placer_order_number)).all()


def the_order(store: Store) -> OrderRow:
    """The only one."""
    (row,) = the_orders(store)
    return row


def as_told(row: OrderRow) -> Order:
    """The order itself."""
    return Order.model_validate(row.document)


def log_of(store: Store, row: OrderRow) -> Sequence[OrderEvent]:
    """The order's event log."""
    with store.read() as session:
        return orders.events_of(session, row.key)


def events(store: Store) -> list[str]:
    """What has happened to the only order."""
    return [line.event for line in log_of(store, the_order(store))]


def happened(store: Store, now: datetime, *events: str) -> None:
    """Let these happen to the only order."""
    key = the_order(store).key
    with store.write() as session:
        for event in events:
            orders.record(session, key, Event(event), source="test", occurred_at=now, now=now)


def an_adt(event: str, control_id: str, pid: Mapping[int, str], *, merged: str = "", **msh: str) -> bytes:
    """A patient message; `merged` is MRG-1."""
    segments = [segment("EVN", {1: event, 2: "20261124080000"}), segment("PID", pid)]
    segments += [segment("MRG", {1: merged})] if merged else []
    return message(f"ADT^{event}", control_id, *segments, **msh)


def _arrival(raw: bytes, site: str, now: datetime) -> Arrival:
    verdict = judge(raw)
    return Arrival(
        received_at=now, site=site, peer="", sender="EHR|", control_id=verdict.header("MSH-10"),
        message_type=verdict.message_type, version="2.5.1", raw=raw, digest=hashlib.sha256(raw).hexdigest(),
        state=MessageState.RECEIVED, ack_code="AA",
    )  # fmt: skip

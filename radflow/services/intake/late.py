"""What is told late: a message that was sent before another one that has told of the order already.

It does not come on top. The order becomes what all its messages say, one after the other as they were sent:
so it is the same in whatever order they have come.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from mappings.hl7.orders import OrderAction, OrderMessage, read_orders
from mappings.hl7.reader import Hl7Message
from mappings.hl7.schedules import ScheduleMessage, read_schedules
from mappings.rules.enrichment import enriched
from radflow.model import Order
from radflow.services.intake import rules
from radflow.services.intake.taken import Taken
from radflow.settings import Site
from radflow.store import orders
from radflow.store.messages import LinkKind, MessageState
from radflow.store.standing import CONTENT, Sent, messages_of
from radflow.store.tables import Message, MessageLink, OrderRow

NEW = frozenset({"NW", "SN"})
"""ORC-1, HL7 table 0119: what an order is placed by."""

_UNDOING = {OrderAction.HOLDS: OrderAction.RELEASES, OrderAction.RELEASES: OrderAction.HOLDS}
_CONTENT = frozenset({OrderAction.PLACES, OrderAction.REPLACES, OrderAction.STATUS})


@dataclass(frozen=True)
class _Told:
    """What one message says of the order."""

    sent: Sent
    of: OrderMessage | ScheduleMessage

    def comes_before(self, other: "_Told") -> bool:
        """Whether it was sent before what came before it; a placing before a change of any sender."""
        if other.sent.is_after(self.sent):
            return True
        placing = _places(self.of) and not _places(other.of)
        return placing and bool(self.sent.at and other.sent.at and self.sent.at < other.sent.at)


def lay_under(session: Session, row: OrderRow, taken: Taken[Any], now: datetime) -> bool:
    """Have the order as all its messages say; whether this one has changed it.

    One that has been heard before changes nothing. Neither does one of an order whose messages are pruned.
    """
    told = _all_told(session, row, taken)
    if told is None:
        return False
    known = Order.model_validate(row.document)
    order: Order | None = None
    for said in told:
        if isinstance(said.of, ScheduleMessage):
            order = said.of.on_top_of(order) if order else None
        elif said.of.action in _CONTENT:
            order = said.of.on_top_of(order)
    if order is None:
        return False
    order = _as_known(order, known)
    if order == known:
        return False
    orders.amend(
        session, row, order, source=taken.source, occurred_at=taken.sent_at, now=now,
        detail={"late": True, "sent_at": taken.sent_at.isoformat()},
    )  # fmt: skip
    return True


def is_undone(session: Session, row: OrderRow, action: OrderAction, taken: Taken[Any]) -> bool:
    """Whether a hold or a release, told late, was over before it came.

    The log need not tell: a release is no news to an order that is not held, nor a hold to one that is.
    """
    undoing = _UNDOING.get(action)
    mine = Sent.of(taken.message)
    return undoing is not None and any(
        isinstance(said.of, OrderMessage)
        and said.of.action is undoing
        and said.sent.is_after(mine)
        and said.sent.id < mine.id
        for message in _linked(session, row)
        for said in _read(session, row, message, taken.site)
    )


def _all_told(session: Session, row: OrderRow, taken: Taken[Any]) -> list[_Told] | None:
    """What the order's messages say, as they were sent; None where that is not known any more."""
    linked = _linked(session, row)
    ids = {message.id for message in linked}
    if taken.id in ids or messages_of(session, row.key, CONTENT) - ids:
        return None
    told: list[_Told] = []
    for message in sorted([*linked, taken.message], key=lambda one: one.id or 0):
        for said in _read(session, row, message, taken.site):
            place = next((n for n, other in enumerate(told) if said.comes_before(other)), len(told))
            told.insert(place, said)
    return told


def _linked(session: Session, row: OrderRow) -> list[Message]:
    query = (
        select(Message)
        .join(MessageLink, col(MessageLink.message_id) == col(Message.id))
        .where(
            MessageLink.kind == LinkKind.ORDER,
            MessageLink.value == row.key,
            # Those that are replayed just now have been heard, too.
            col(Message.state).in_((MessageState.PROCESSED, MessageState.RECEIVED)),
        )
    )
    return list(session.exec(query))


def _read(session: Session, row: OrderRow, message: Message, site: Site) -> Iterator[_Told]:
    kind = message.message_type.partition("^")[0]
    if kind not in ("ORM", "OMG", "OMI", "SIU"):
        return
    hl7 = rules.as_site_reads(Hl7Message(message.raw), site)
    said: Iterable[OrderMessage | ScheduleMessage]
    if kind == "SIU":
        said = read_schedules(hl7, site=site.name, zone=site.zone)
    else:
        said = read_orders(
            hl7, site=site.name, zone=site.zone, uid_root=site.uid_root, tables=site.code_tables
        )
    for one in said:
        if _names(session, one, row):
            yield _Told(Sent.of(message), one)


def _names(session: Session, one: OrderMessage | ScheduleMessage, row: OrderRow) -> bool:
    if isinstance(one, OrderMessage):
        filler = one.order.filler_order_number
        by_filler = filler is not None and not one.order.placer_order_number
        return one.order.key == row.key or (by_filler and filler.value == row.filler_order_number)  # type: ignore[union-attr]
    found = orders.of_numbers(
        session, row.site, placer=one.placer, filler=one.filler, accession_number=one.accession_number
    )
    return found is not None and found.key == row.key


def _as_known(order: Order, known: Order) -> Order:
    """With the key, the patient and what the catalogue had said when the order was placed."""
    procedure = order.procedure
    if not procedure.display and procedure.code == known.procedure.code:
        procedure = procedure.model_copy(update={"display": known.procedure.display})
    patient = enriched(known.patient, order.patient, "merge")
    patient = patient.model_copy(update={"identifiers": known.patient.identifiers})
    return order.model_copy(update={"key": known.key, "procedure": procedure, "patient": patient})


def _places(said: OrderMessage | ScheduleMessage) -> bool:
    return isinstance(said, OrderMessage) and said.control in NEW

"""What a message says of one order, and the order that comes of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from mappings.hl7 import pid
from mappings.hl7.steps import ToldStep, on_known_steps
from radflow.model import Identifier, Order, Value

V = TypeVar("V", bound=Value)


class OrderAction(StrEnum):
    """What ORC-1 does to an order (HL7 table 0119, `mappings/tables/order-control.csv`)."""

    PLACES = "places"
    """NW, SN, XO, XX, XR: new or changed."""
    CANCELS = "cancels"
    """CA, CR, OC; SC with ORC-5 CA."""
    DISCONTINUES = "discontinues"
    """DC, DR, OD; SC with ORC-5 DC or RP."""
    HOLDS = "holds"
    """HD, HR, OH; SC with ORC-5 HD."""
    RELEASES = "releases"
    """RL, OR, OE: a hold is over."""
    REPLACES = "replaces"
    """RO after RP, RQ or RU: `order` is placed, and the order `replaces` is cancelled."""
    STATUS = "status"
    """SC, NA, OK, RE: numbers, a status, and whatever else is sent of an order that is known."""


@dataclass(frozen=True)
class OrderMessage:
    """What one order of a message says.

    `order` is whole even when the message bears numbers only: what was not sent is made or empty there. To an
    order that is known, apply `on_top_of`.
    """

    control: str
    """ORC-1."""
    action: OrderAction
    order: Order
    sent: frozenset[str] = frozenset()
    """Fields of `Order` of which the message says something: a value, or `""` where one can be deleted."""
    patient_sent: frozenset[str] = frozenset()
    """Fields of `Patient`, likewise."""
    visit_sent: frozenset[str] = frozenset()
    """Fields of `Visit`, likewise."""
    details_sent: frozenset[str] = frozenset()
    """Fields of `OrderDetails`, likewise."""
    steps: tuple[ToldStep, ...] = ()
    """The steps, each with the fields that were sent of it."""
    made: frozenset[str] = frozenset()
    """Numbers of the order that were not sent, and made here: no use in looking for the order by them."""
    occurred_at: datetime | None = None
    """ORC-9, or else MSH-7."""
    order_status: str = ""
    """ORC-5, HL7 table 0038: SC scheduled, IP in progress, CM completed, CA, DC, HD, …"""
    result_status: str = ""
    """OBR-25, HL7 table 0123."""
    replaces: Identifier | None = None
    """Of REPLACES: the number of the order that is replaced."""
    replaces_key: str = ""
    """Its key, as `order_key` makes it from this number."""

    def on_top_of(self, known: Order | None) -> Order:
        """The order as it is now: what is not sent stays, what is `""` is gone.

        Numbers and the procedure are never deleted. The time of the request stays: ORC-9 of a change is the
        time of the change.
        """
        if known is None:
            return self.order
        changes: dict[str, Any] = {name: getattr(self.order, name) for name in self.sent}
        for name in ("placer_order_number", "filler_order_number"):
            changes[name] = _fuller(getattr(self.order, name), getattr(known, name))
        changes["requested_at"] = known.requested_at or self.order.requested_at
        changes["patient"] = pid.on_top_of(self.order.patient, self.patient_sent, known.patient)
        changes["visit"] = _laid_over(self.order.visit, self.visit_sent, known.visit)
        changes["details"] = _laid_over(self.order.details, self.details_sent, known.details)
        changes["steps"] = on_known_steps(self.steps, known.steps)
        return known.model_copy(update=changes)


def _laid_over(told: V | None, sent: frozenset[str], known: V | None) -> V | None:
    """What is sent over what is known."""
    if told is None or known is None:
        return told or known
    return known.model_copy(update={name: getattr(told, name) for name in sent})


def _fuller(told: Identifier | None, known: Identifier | None) -> Identifier | None:
    """The number that is told, unless it is the one we know and only its assigner was left out."""
    if told is None:
        return known
    same = known is not None and known.value == told.value and not told.assigner
    return known if same else told

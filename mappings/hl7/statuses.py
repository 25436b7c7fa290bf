"""What an order's receivers are told of its life: ORC-1, ORC-5 and OBR-25 (IHE RAD-3, RAD-4, RAD-13)."""

from collections.abc import Iterable
from dataclasses import dataclass

from mappings.tables import PACKAGED, Tables
from radflow.order import Event, State

NEW, STATUS_CHANGED, CHANGED = "NW", "SC", "XO"
"""ORC-1, HL7 table 0119."""
UNABLE = {"CA": "UC", "DC": "UD", "HD": "UH", "XO": "UX", "RP": "UM"}
"""A request of the placer (ORC-1) → what it is told when that is not possible any more (HL7 table 0119)."""
ENDS = frozenset({"CA", "DC"})
"""What tells that the order is over."""
_HOLDS = frozenset({"HD", "RL"})


@dataclass(frozen=True)
class OrderStatus:
    """How far an order is."""

    order: str
    """ORC-5, HL7 table 0038."""
    result: str
    """OBR-25, HL7 table 0123."""


def status_of(state: State, tables: Tables = PACKAGED) -> OrderStatus | None:
    """What is told of an order in this state; None where there is nothing to tell."""
    row = tables.row("order-state-status", state)
    return OrderStatus(*row) if row else None


def control_of(news: Iterable[Event], *, told_before: bool, tables: Tables = PACKAGED) -> str | None:
    """The order control (ORC-1) that tells a receiver of these news.

    Args:
        news: what has happened to the order since its receivers were told last, oldest first.
        told_before: whether they know of the order, and not as one that is over.

    Returns:
        None when there is nothing to tell them: the order is as they know it, or was cancelled before they
        heard of it.
    """
    controls = [control for event in news if (control := tables.code("order-event-control", event))]
    if not controls:
        return None
    ends = [control for control in controls if control in ENDS]
    if not told_before:
        return None if ends else NEW
    holds = [control for control in controls if control in _HOLDS]
    return (ends or holds or [CHANGED])[-1]

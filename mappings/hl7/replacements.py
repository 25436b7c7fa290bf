"""Orders that replace others (v2.5.1 §4.5.1.1, ORC-1 RP, RQ, RU with RO).

    ORC|RP|OLD      what is replaced, one or several
    ORC|RO|NEW      what replaces it, one or several

The last of the old ones is replaced by the first of the new ones; the other old ones are discontinued and the
other new ones are placed, so that each order has its one message.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mappings.hl7 import codes
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.order_changes import OrderAction, OrderMessage
from mappings.tables import Tables

IS_REPLACED = "is-replaced"
"""RP, RQ, RU in `mappings/tables/order-control.csv`."""


def check_replacements(actions: Sequence[str]) -> None:
    """See whether each order that is to be replaced is followed by one that replaces it.

    Raises:
        NotTakable: it is not, and the old order would be lost without a new one.
    """
    waiting = 0
    for number, action in enumerate(actions, start=1):
        if action == IS_REPLACED:
            waiting = number
        elif action == OrderAction.REPLACES:
            waiting = 0
    if waiting:
        raise NotTakable(
            ErrorCode.SEGMENT_SEQUENCE_ERROR, f"ORC^{waiting}^1",
            "An order is to be replaced (ORC-1), and no order that replaces it (RO) follows.",
        )  # fmt: skip


def with_replacements(said: Iterable[OrderMessage], sender: str, tables: Tables) -> list[OrderMessage]:
    """The orders of a message, each RO with the number of the order that it replaces.

    Args:
        sender: MSH-3, the assigner of a number that names none.
    """
    done: list[OrderMessage] = []
    replaced: OrderMessage | None = None
    for one in said:
        if codes.order_action(one.control, tables) == IS_REPLACED:
            done += [replaced] if replaced else []
            replaced = one
        elif one.action is OrderAction.REPLACES:
            done.append(_in_place_of(one, replaced, sender))
            replaced = None
        else:
            done.append(one)
    return done + ([replaced] if replaced else [])


def _in_place_of(one: OrderMessage, replaced: OrderMessage | None, sender: str) -> OrderMessage:
    if replaced is None:
        return replace(one, action=OrderAction.PLACES)
    number = replaced.order.placer_order_number or replaced.order.filler_order_number
    assert number is not None
    named = number.model_copy(update={"assigner": number.assigner or sender})
    return replace(one, replaces=named, replaces_key=replaced.order.key)

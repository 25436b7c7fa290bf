"""An order as its messages say it with other tables than when they came, and what is other then."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from mappings.hl7.order_changes import OrderAction, OrderMessage
from mappings.hl7.steps import MODALITY_UNKNOWN
from radflow.model import Order, ScheduledProcedureStep

_SAYS_WHAT = frozenset({OrderAction.PLACES, OrderAction.REPLACES, OrderAction.STATUS})
_BY_TABLES = (
    "procedure",
    "reason",
    "priority",
    "requesting_physician",
    "referring_physician",
    "patient_class",
)
_OF_STEPS = ("modality", "protocol", "location", "performing_physician")
_SHOWN = frozenset({"code", "system", "modality", "priority", "patient_class"})
"""Codes can be shown; of all else only that it is other."""


class Difference(NamedTuple):
    """A field that is other than before."""

    field: str
    """As in `steps[0].modality`."""
    before: str
    after: str
    """Codes as they are; words and names, which may be a patient's, as `…`."""


def remapped(known: Order, said: Iterable[OrderMessage]) -> Order | None:
    """The order with what its messages, oldest first, say now of what tables decide; None without any.

    Whatever else has come of it stays: its patient, its numbers, its schedule.
    """
    order: Order | None = None
    for one in said:
        if one.order.key == known.key and one.action in _SAYS_WHAT:
            order = one.on_top_of(order)
    if order is None:
        return None
    changes: dict[str, Any] = {name: getattr(order, name) for name in _BY_TABLES}
    if not order.procedure.display and order.procedure.code == known.procedure.code:
        # The words came from the catalogue.
        changes["procedure"] = order.procedure.model_copy(update={"display": known.procedure.display})
    told = {step.step_id: step for step in order.steps}
    changes["steps"] = tuple(_step(step, told.get(step.step_id)) for step in known.steps)
    return known.model_copy(update=changes)


def differences(before: Order, after: Order) -> list[Difference]:
    """Field by field, in the order of the model."""
    return list(_differences("", before.model_dump(mode="json"), after.model_dump(mode="json")))


def _step(known: ScheduledProcedureStep, told: ScheduledProcedureStep | None) -> ScheduledProcedureStep:
    if told is None:
        return known
    changes = {name: getattr(told, name) for name in _OF_STEPS}
    if told.modality == MODALITY_UNKNOWN:
        changes["modality"] = known.modality
    return known.model_copy(update=changes)


def _differences(path: str, before: Any, after: Any) -> Iterable[Difference]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before:
            yield from _differences(f"{path}.{name}".lstrip("."), before[name], after.get(name))
    elif _are_lists(before, after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _differences(f"{path}[{number}]", one, other)
    else:
        shown = path.rpartition(".")[2] in _SHOWN
        yield Difference(path, *((str(value or ""), "…")[not shown] for value in (before, after)))


def _are_lists(before: Any, after: Any) -> bool:
    both = isinstance(before, Sequence) and isinstance(after, Sequence)
    return both and not isinstance(before, str) and len(before) == len(after)

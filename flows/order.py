"""The life of an imaging order, as one durable flow run. Read `LIFE` from top to bottom.

The run is a loop over the store: look, do the next due step, record it; when nothing is due, suspend.
A suspended run has no process; whoever has news wakes it (tasks/wake.py). What is done is known from
the order's event log alone, so neither a crash nor an upgrade nor the loss of Prefect's results repeats
a completed step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prefect import flow
from prefect.states import Cancelled

from flows.leg import Leg
from radflow.order import Event, State
from tasks.publish import publish_to_fhir, send_to_ehr, write_to_warehouse
from tasks.study import describe_study
from tasks.worklist import put_on_worklist

Step = Callable[[str], dict[str, Any]]
"""A task: takes the order's key, has one effect outside, returns what to note in the order's log."""


@dataclass(frozen=True)
class Chapter:
    """What is due in a state, in this order, and the event that ends it."""

    steps: tuple[Step, ...]
    then: Event


PUBLISHING = (describe_study, publish_to_fhir, send_to_ehr, write_to_warehouse)

LIFE: dict[State, Chapter] = {
    State.RECEIVED: Chapter((put_on_worklist,), then=Event.WORKLISTED),
    # worklisted: waits for images.  acquired: waits for the report.
    State.PRELIMINARY: Chapter(PUBLISHING, then=Event.PRELIMINARY_PUBLISHED),
    State.REPORTED: Chapter(PUBLISHING, then=Event.PUBLISHED),
}
"""A state without a chapter waits for news."""


@flow(name="order", persist_result=False, validate_parameters=False)
def run_order(order_key: str) -> Any:
    """One leg of the order's life: everything that is due, then rest until there are news."""
    with Leg(order_key) as leg:
        while not leg.finished:
            chapter = LIFE.get(leg.state)
            if chapter is None:
                leg.rest()
            elif step := leg.first_undone(chapter.steps):
                leg.do(step)
            else:
                leg.record(chapter.then)
        return Cancelled(message="Order cancelled") if leg.state is State.CANCELLED else None

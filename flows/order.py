"""The life of an imaging order, as one durable flow run. Read `LIFE` from top to bottom.

The run is a loop over the store: look, do the next due step, record it; when nothing is due, suspend.
A suspended run has no process; whoever has news wakes it (tasks/wake.py). What is done is known from
the order's event log alone, so neither a crash nor an upgrade nor the loss of Prefect's results repeats
a completed step.
"""

from dataclasses import dataclass
from typing import Any

from prefect import flow
from prefect.states import Cancelled

from flows.fhir_status import fhir_steps
from flows.leg import Leg
from flows.other_worklist import other_worklist_steps
from flows.prefetch import prefetch_steps
from flows.site_tasks import Step, own_steps
from flows.sr_reports import sr_steps
from radflow.order import Event, State
from tasks.look_for_images import look_for_images
from tasks.publish import publish_to_fhir, write_to_warehouse
from tasks.send import confirm_delivery, send_result, tell_receivers
from tasks.structured_reports import read_structured_reports
from tasks.study import describe_study
from tasks.worklist import put_on_worklist


@dataclass(frozen=True)
class Chapter:
    """What is due in a state, in this order, and the event that ends it; without one the order rests."""

    steps: tuple[Step, ...]
    then: Event | None = None


PUBLISHING = (
    describe_study, read_structured_reports, send_result, tell_receivers, publish_to_fhir, write_to_warehouse,
    confirm_delivery,
)  # fmt: skip

LIFE: dict[State, Chapter] = {
    State.RECEIVED: Chapter((put_on_worklist, tell_receivers), then=Event.WORKLISTED),
    State.HELD: Chapter((tell_receivers,)),
    # The steps that no modality has begun stay on the worklist, as the order is now.
    State.STARTED: Chapter((put_on_worklist, tell_receivers, look_for_images)),
    # A report that was quicker than the images, or even than their order.
    State.PRELIMINARY_WITHOUT_IMAGES: Chapter((look_for_images,)),
    State.REPORTED_WITHOUT_IMAGES: Chapter((look_for_images,)),
    # worklisted: waits for images.  acquired: waits for the report.
    State.ACQUIRED: Chapter((tell_receivers,)),
    State.PRELIMINARY: Chapter(PUBLISHING, then=Event.PRELIMINARY_PUBLISHED),
    State.REPORTED: Chapter(PUBLISHING, then=Event.PUBLISHED),
    State.WITHDRAWN: Chapter(PUBLISHING, then=Event.WITHDRAWAL_PUBLISHED),
    State.CANCELLED: Chapter((tell_receivers,)),
    State.CLOSED: Chapter((tell_receivers,)),
}
"""A state without a chapter waits for news. In each, a site's own tasks come after these steps."""


@flow(name="order", persist_result=False, validate_parameters=False)
def run_order(order_key: str) -> Any:
    """One leg of the order's life: everything that is due, then rest until there are news."""
    with Leg(order_key) as leg:
        live(leg)
        return Cancelled(message="Order cancelled") if leg.state is State.CANCELLED else None


def live(leg: Leg) -> None:
    """Do what is due until nothing is; returns when the order has come to its end."""
    while True:
        chapter = LIFE.get(leg.state, Chapter(()))
        steps = (
            *sr_steps(leg.site, leg.state), *chapter.steps,
            *other_worklist_steps(leg.site, leg.state), *prefetch_steps(leg.site, leg.state),
            *own_steps(leg.site, leg.state), *fhir_steps(leg.key, leg.site, leg.state),
        )  # fmt: skip
        if step := leg.first_undone(steps):
            leg.do(step)
        elif chapter.then:
            leg.record(chapter.then)
        elif leg.finished:
            return
        else:
            leg.rest()

"""Heartbeats of a run, from which Prefect's automations tell one that has crashed.

As `run_flow` makes them, but for two things. Its thread sleeps a second at a time and is waited for, which is
several times as long as a leg takes; and it says of each leg that it has begun, which Prefect knows.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context

from prefect.client.schemas.objects import FlowRun
from prefect.events import RelatedResource, emit_event
from prefect.events.related import tags_as_related_resources

FIRST_AFTER = 5.0
"""Seconds until the first one: a leg that is shorter needs none."""


@contextmanager
def heartbeats(run: FlowRun, every: float | None) -> Iterator[None]:
    """Tell Prefect that the run lives, while it does.

    Args:
        every: seconds, from the second one on (PREFECT_FLOWS_HEARTBEAT_FREQUENCY); none at all if None.
    """
    if every is None:
        yield
        return
    over = threading.Event()

    def beat(pause: float = FIRST_AFTER) -> None:
        while not over.wait(pause):
            emit_event("prefect.flow-run.heartbeat", resource=_resource(run), related=_related(run))
            pause = every

    threading.Thread(target=copy_context().run, args=(beat,), name="heartbeats", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _resource(run: FlowRun) -> dict[str, str]:
    return {"prefect.resource.id": f"prefect.flow-run.{run.id}", "prefect.resource.name": run.name}


def _related(run: FlowRun) -> list[RelatedResource]:
    named = {"flow": run.flow_id, "deployment": run.deployment_id}
    sources = [
        RelatedResource({"prefect.resource.id": f"prefect.{role}.{id_}", "prefect.resource.role": role})
        for role, id_ in named.items()
        if id_
    ]
    return sources + tags_as_related_resources(run.tags)

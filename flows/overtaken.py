"""Runs of a schedule that pile up while no worker is there: all but the newest have nothing to do."""

from datetime import datetime, timedelta

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.context import FlowRunContext

from radflow.clock import utc_now

_LATE = timedelta(seconds=30)
"""A run that is less late is the newest: no schedule of ours is shorter."""
_WORKS_OR_WILL = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]


def overtaken() -> bool:
    """Whether a later run of this run's deployment is due by now, or works: it does all there is to do.

    Prefect's own limit for this (a deployment's concurrency, with CANCEL_NEW) holds its slot for a worker
    that was killed. A run that nobody has scheduled is never overtaken.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None or run.deployment_id is None or run.expected_start_time is None:
        return False
    return utc_now() - run.expected_start_time > _LATE and _has_later(
        run.deployment_id, run.expected_start_time, utc_now()
    )


def _has_later(deployment_id: object, due: datetime, now: datetime) -> bool:
    after = due + timedelta(microseconds=1)
    later = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
        expected_start_time=FlowRunFilterExpectedStartTime(after_=after, before_=now),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_WORKS_OR_WILL)),
    )
    with get_client(sync_client=True) as client:
        return bool(client.read_flow_runs(flow_run_filter=later, limit=1))

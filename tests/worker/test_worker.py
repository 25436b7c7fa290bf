"""The warm worker, where it differs from Prefect's own."""

import asyncio
from typing import Any
from uuid import uuid4

from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import OrchestrationResult, SetStateStatus, StateRejectDetails
from prefect.states import Suspended

from radflow.worker.worker import WarmWorker


class _RunIsSuspended:
    """Prefect's answer to whoever wants to start a run that is suspended."""

    async def set_flow_run_state(self, *_: Any, **__: Any) -> OrchestrationResult[Any]:
        return OrchestrationResult(
            state=Suspended(),
            status=SetStateStatus.REJECT,
            details=StateRejectDetails(reason="This run cannot transition."),
        )


async def _proposed() -> bool:
    worker = WarmWorker(work_pool_name="radflow")
    worker._client = _RunIsSuspended()  # type: ignore[assignment]
    run = FlowRun(id=uuid4(), flow_id=uuid4(), name="run")
    return await worker._propose_pending_state(run)


def test_a_run_that_was_suspended_again_is_left_alone() -> None:
    """It was found due, and rests once more before the worker came to it: the worker lives on."""
    assert asyncio.run(_proposed()) is False

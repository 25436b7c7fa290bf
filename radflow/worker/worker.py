"""The warm worker: legs run in processes that have imported everything already.

`prefect worker start --type radflow --pool radflow` starts it. A leg in a process of its own costs most
of two CPU seconds before its first line; here it costs the leg alone. It is a worker type on Prefect's
documented extension point, `BaseWorker`; Prefect's own process worker runs the same deployments.
"""

from typing import Any

import anyio
import anyio.abc
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import Pause
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult
from pydantic import Field

from radflow.worker.pool import WarmPool


class WarmJobConfiguration(BaseJobConfiguration):
    """What a run may configure of its process: how many there are."""

    warm_processes: int = Field(default=2)


class WarmVariables(BaseVariables):
    """The work pool's form in the Prefect UI."""

    warm_processes: int = Field(default=2, ge=1, description="Legs that run at the same time.")


class WarmWorkerResult(BaseWorkerResult):
    """How the leg's process answered: 0 when the leg ended in any state that Prefect was told of."""


class WarmWorker(BaseWorker[WarmJobConfiguration, WarmVariables, WarmWorkerResult]):
    """Runs flow runs in warm processes, as many at a time as the work pool says."""

    type = "radflow"
    job_configuration = WarmJobConfiguration
    job_configuration_variables = WarmVariables
    _display_name = "radflow"
    _description = "Runs the legs of orders in warm processes."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pool = WarmPool()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: WarmJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> WarmWorkerResult:
        """Run one leg; returns when it has ended, been suspended or taken its process down."""
        async with self._pool.process(configuration.warm_processes) as process:
            if task_status is not None:
                task_status.started(process.pid)
            status = await process.run(flow_run.model_dump_json())
        return WarmWorkerResult(identifier=str(process.pid), status_code=status)

    # A run may be suspended again between the moment it was found due and the one it is submitted.
    # Prefect 3.8 tells so by `Pause`, which is no `Exception`: uncaught it would take the whole worker down.

    async def _propose_pending_state(self, flow_run: FlowRun) -> bool:
        try:
            return await super()._propose_pending_state(flow_run)
        except Pause:
            return False

    async def _propose_submitting_state(self, flow_run: FlowRun) -> None:
        try:
            await super()._propose_submitting_state(flow_run)
        except Pause:
            # The leg's process will find out as well, and leave the run alone.
            return

    async def teardown(self, *exc_info: Any) -> None:
        """Let the legs that run come to their end, then stop the processes."""
        await super().teardown(*exc_info)
        await self._pool.close()

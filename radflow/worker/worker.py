"""The warm worker: legs run in processes that have imported everything already.

`prefect worker start --type radflow --pool radflow` starts it. A leg in a process of its own costs most
of two CPU seconds before its first line; here it costs the leg alone. It is a worker type on Prefect's
documented extension point, `BaseWorker`; Prefect's own process worker runs the same deployments.

It differs from `BaseWorker` where that costs calls a leg: it claims a run with one call, and looks for
runs when Prefect says that there are some. Job variables of a deployment or a run, a command or an
environment, are for processes that start anew; here only the work pool's own count.
"""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import anyio
import anyio.abc
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.exceptions import ObjectNotFound, Pause
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult
from pydantic import Field

from radflow.clock import utc_now
from radflow.worker.news import scheduled_runs
from radflow.worker.pool import WarmPool, WarmProcess

CLAIMED_AHEAD = 4
"""Runs that are claimed for each process: enough that none waits for the next look, few enough that a run of
a queue with a higher priority does not stand behind many."""
AFTER_NEWS = 0.2
"""Seconds after which news of a run are looked into again: Prefect tells them before it commits."""


class WarmJobConfiguration(BaseJobConfiguration):
    """What the work pool configures of its processes: how many there are."""

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
        self._legs: dict[UUID, WarmProcess] = {}
        self._looking = asyncio.Lock()
        self._room = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None

    async def setup(self) -> None:
        """Connect, start a first process, and listen for runs that become due."""
        await super().setup()
        self._listener = asyncio.create_task(self._look_on_news())
        await self._pool.warm_up()

    async def teardown(self, *exc_info: Any) -> None:
        """Let the legs that run come to their end, then stop the processes."""
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
        await super().teardown(*exc_info)
        await self._pool.close()

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
            self._legs[flow_run.id] = process
            try:
                status = await process.run(flow_run)
            finally:
                del self._legs[flow_run.id]
        return WarmWorkerResult(identifier=str(process.pid), status_code=status)

    # Looking for runs

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Claim what is due, and as long as there is more, more of it when half of that is done."""
        async with self._looking:
            submitted = found = await super().get_and_submit_flow_runs()
            while found and self.is_setup:
                self._room.clear()
                if self._claimed > self._may_claim / 2:
                    await self._room.wait()
                else:
                    found = await super().get_and_submit_flow_runs()
            return submitted

    async def _look_on_news(self) -> None:
        async for _ in scheduled_runs(self._work_pool_name):
            if not await self.get_and_submit_flow_runs():
                await asyncio.sleep(AFTER_NEWS)
                await self.get_and_submit_flow_runs()

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        """As many as there is room for, due now: one that is claimed early would keep a process waiting.

        The server honours the limits and priorities of the pool and its queues in its answer.
        """
        room = self._may_claim - self._claimed
        if room < 1:
            return []
        wanted = {"scheduled_before": utc_now().isoformat(), "limit": room}
        if self._work_queues:
            wanted["work_queue_names"] = sorted(self._work_queues)
        try:
            answer = await self.client.request(
                "POST", "/work_pools/{name}/get_scheduled_flow_runs",
                path_params={"name": self._work_pool_name}, json=wanted,
            )  # fmt: skip
        except ObjectNotFound:
            return []
        return WorkerFlowRunResponse.model_validate_list(answer.json())

    @property
    def _claimed(self) -> int:
        return len(self._submitting_flow_run_ids)

    @property
    def _may_claim(self) -> int:
        return self._processes * CLAIMED_AHEAD

    @property
    def _processes(self) -> int:
        variables = self.work_pool.base_job_template.get("variables", {}).get("properties", {})
        return int(variables.get("warm_processes", {}).get("default", 2))

    # One run

    async def _submit_run(self, flow_run: FlowRun) -> None:
        try:
            if await self._propose_pending_state(flow_run):
                await self._run_leg(flow_run)
        except Exception as error:
            self.get_flow_run_logger(flow_run).exception("The worker could not run this leg.")
            await self._propose_crashed_state(flow_run, f"The worker failed: {type(error).__name__}")
        finally:
            self._release_limit_slot(flow_run.id)
            self._submitting_flow_run_ids.discard(flow_run.id)
            if self._cancelling_observer is not None:
                self._cancelling_observer.remove_in_flight_flow_run_id(flow_run.id)
            self._room.set()

    async def _run_leg(self, flow_run: FlowRun) -> None:
        if "prefect.worker.name" not in flow_run.labels:
            await self._give_worker_labels_to_flow_run(flow_run.id)
        configuration = WarmJobConfiguration(warm_processes=self._processes)
        result = await self.run(flow_run, configuration)
        if result.status_code:
            message = f"The leg's process ended with exit code {result.status_code}."
            await self._propose_crashed_state(flow_run, message)

    async def _propose_pending_state(self, flow_run: FlowRun) -> bool:
        # A run may be suspended again between the moment it was found due and the one it is claimed.
        # Prefect 3.8 tells so by `Pause`, which is no `Exception`: uncaught it would take the worker down.
        try:
            return await super()._propose_pending_state(flow_run)
        except Pause:
            return False

    async def _cancel_run(self, flow_run_id: UUID) -> None:
        """Stop the leg of a run that is being cancelled; its process ends with it."""
        process = self._legs.get(flow_run_id)
        if process is None:
            await super()._cancel_run(flow_run_id)
            return
        await process.cancel()
        flow_run = await self.client.read_flow_run(flow_run_id)
        if flow_run.state is None or not flow_run.state.is_final():
            await self._mark_flow_run_as_cancelled(flow_run, {"message": "Its process was killed."})

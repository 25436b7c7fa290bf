"""The warm worker: legs run in processes that have imported everything already.

`prefect worker start --type radflow --pool radflow` starts it. A leg in a process of its own costs most
of two CPU seconds before its first line; here it costs the leg alone. It is a worker type on Prefect's
documented extension point, `BaseWorker`; Prefect's own process worker runs the same deployments.

It differs from `BaseWorker` where that costs calls a leg: it claims a run with one call, and looks for
runs when Prefect says that there are some. Job variables of a deployment or a run, a command or an
environment, are for processes that start anew; here only the work pool's own count and modules.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any
from uuid import UUID

import anyio
import anyio.abc
import httpx
from prefect._internal.infrastructure_exit_codes import get_infrastructure_exit_info
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.exceptions import ObjectNotFound, Pause
from prefect.settings import (
    PREFECT_WORKER_CANCELLATION_POLL_SECONDS,
    PREFECT_WORKER_ENABLE_CANCELLATION,
    temporary_settings,
)
from prefect.states import Scheduled
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult
from pydantic import Field

from radflow.clock import utc_now
from radflow.worker.news import scheduled_runs
from radflow.worker.pool import WarmPool, WarmProcess
from radflow.worker.rush import Rush

CLAIMED_AHEAD = 4
"""Runs that are claimed for each process: enough that none waits for the next look, few enough that a run of
a queue with a higher priority does not stand behind many."""
AFTER_NEWS = (0.05, 0.2, 1.0)
"""Seconds to wait, each time nothing is found yet, before news are looked into: Prefect tells them before it
commits."""
IN_A_RUSH = 0.5
"""Seconds between two looks while much is to do."""

MODULES = ["flows.order", "flows.prune", "flows.sweep"]
"""Of the flows that run most often."""


class WarmJobConfiguration(BaseJobConfiguration):
    """What the work pool configures of its processes: how many there are, and what they have imported."""

    warm_processes: int = Field(default=2)
    warm_modules: list[str] = Field(default=MODULES)


class WarmVariables(BaseVariables):
    """The work pool's form in the Prefect UI."""

    warm_processes: int = Field(default=2, ge=1, description="Legs that run at the same time.")
    warm_modules: list[str] = Field(
        default=MODULES, description="What a process imports before its first leg: the modules of flows."
    )


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
        self._waiting: set[UUID] = set()
        """Runs that are claimed, and have no process yet."""
        self._legs: dict[UUID, WarmProcess] = {}
        self._looking = asyncio.Lock()
        self._rush = Rush()
        self._lookouts: list[asyncio.Task[None]] = []

    async def setup(self) -> None:
        """Connect, start a first process, and listen for runs that become due."""
        await super().setup()
        looks = (self._look_on_news(), self._look_in_a_rush())
        self._lookouts = [asyncio.create_task(look) for look in looks]
        await self._pool.warm_up(self._configuration.warm_modules)

    async def teardown(self, *exc_info: Any) -> None:
        """Give back the runs that wait for a process, let those that have one come to their end, and stop."""
        for lookout in self._lookouts:
            lookout.cancel()
            with suppress(asyncio.CancelledError):
                await lookout
        try:
            await super().teardown(*exc_info)
        finally:
            await self._pool.close()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: WarmJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> WarmWorkerResult:
        """Run one leg; returns when it has ended, been suspended or taken its process down."""
        async with self._pool.process(configuration.warm_processes, configuration.warm_modules) as process:
            if task_status is not None:
                task_status.started(process.pid)
            status = 0
            if flow_run.id in self._waiting:
                self._waiting.remove(flow_run.id)
                self._legs[flow_run.id] = process
                try:
                    status = await process.run(flow_run)
                finally:
                    del self._legs[flow_run.id]
        return WarmWorkerResult(identifier=str(process.pid), status_code=status)

    # Looking for runs

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Claim what is due, as much as there is room for; returns what was claimed."""
        async with self._looking:
            known = set(self._submitting_flow_run_ids)
            claimed = [run for run in await super().get_and_submit_flow_runs() if run.id not in known]
        self._rush.claimed(len(claimed), time.monotonic())
        return claimed

    async def _look_on_news(self) -> None:
        async for _ in scheduled_runs(self._work_pool_name):
            for pause in AFTER_NEWS:
                await asyncio.sleep(pause)
                if await self._look():
                    break

    async def _look_in_a_rush(self) -> None:
        while True:
            await asyncio.sleep(IN_A_RUSH)
            if self._rush.is_on(time.monotonic()):
                await self._look()

    async def _look(self) -> list[FlowRun]:
        try:
            return await self.get_and_submit_flow_runs()
        except httpx.HTTPError as error:
            # The regular looks go on; they say so, and give up when it lasts.
            self._logger.debug("Prefect does not answer: %s", type(error).__name__)
            return []

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
        return self._configuration.warm_processes * CLAIMED_AHEAD

    @property
    def _configuration(self) -> WarmJobConfiguration:
        """As the work pool has it; a pool may be older than a variable."""
        if self._work_pool is None:
            return WarmJobConfiguration()
        pool = self._work_pool.base_job_template.get("variables", {}).get("properties", {})
        names = ("warm_processes", "warm_modules")
        return WarmJobConfiguration(
            **{name: pool[name]["default"] for name in names if "default" in pool.get(name, {})}
        )

    # One run

    async def _submit_run(self, flow_run: FlowRun) -> None:
        self._waiting.add(flow_run.id)
        try:
            if await self._propose_pending_state(flow_run):
                await self._run_leg(flow_run)
        except asyncio.CancelledError:
            if flow_run.id in self._waiting:
                await self._give_back(flow_run)
            raise
        except Exception as error:
            self.get_flow_run_logger(flow_run).exception("The worker could not run this leg.")
            await self._propose_crashed_state(flow_run, f"The worker failed: {type(error).__name__}")
        finally:
            self._waiting.discard(flow_run.id)
            self._release_limit_slot(flow_run.id)
            self._submitting_flow_run_ids.discard(flow_run.id)
            if self._cancelling_observer is not None:
                self._cancelling_observer.remove_in_flight_flow_run_id(flow_run.id)
        # More may be due than there was room for, or than a limit allowed.
        if self._claimed <= self._may_claim // 2 and self.is_setup:
            await self._look()

    async def _run_leg(self, flow_run: FlowRun) -> None:
        if "prefect.worker.name" not in flow_run.labels:
            await self._give_worker_labels_to_flow_run(flow_run.id)
        result = await self.run(flow_run, self._configuration)
        if code := result.status_code:
            why = get_infrastructure_exit_info(code).explanation
            await self._propose_crashed_state(flow_run, f"The leg's process ended with {code}. {why}")

    async def _propose_pending_state(self, flow_run: FlowRun) -> bool:
        # A run may be suspended again between the moment it was found due and the one it is claimed.
        # Prefect 3.8 tells so by `Pause`, which is no `Exception`: uncaught it would take the worker down.
        try:
            return await super()._propose_pending_state(flow_run)
        except Pause:
            return False

    async def _give_back(self, flow_run: FlowRun) -> None:
        """Schedule again what this worker has claimed and will not begin: nobody looks for a pending run."""
        with anyio.CancelScope(shield=True):
            try:
                await self.client.set_flow_run_state(flow_run.id, Scheduled(), force=True)
            except Exception as error:
                self._logger.warning("Run %s stays pending: %s", flow_run.id, type(error).__name__)

    async def _setup_cancellation_observer(self) -> None:
        # Off by default, since Prefect's process worker has one in each run's own process. Once it has lost
        # its events, as when the server was away, it asks for good: by default every two minutes.
        ours = {PREFECT_WORKER_ENABLE_CANCELLATION: True, PREFECT_WORKER_CANCELLATION_POLL_SECONDS: 10}
        with temporary_settings(ours):
            await super()._setup_cancellation_observer()

    async def _cancel_run(self, flow_run_id: UUID) -> None:
        """End the leg of a run that is being cancelled, and its process with it; or do not begin it."""
        if process := self._legs.get(flow_run_id):
            await process.cancel()
        self._waiting.discard(flow_run_id)
        try:
            flow_run = await self.client.read_flow_run(flow_run_id)
            if flow_run.state and flow_run.state.is_cancelling():
                await self._mark_flow_run_as_cancelled(flow_run, {"message": "Cancelled by the worker."})
        except (httpx.HTTPError, ObjectNotFound) as error:
            self._logger.warning("Run %s stays cancelling: %s", flow_run_id, type(error).__name__)

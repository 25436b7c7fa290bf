"""The connection of a warm process to Prefect: it does not ask for what it has just been told."""

from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy, State
from prefect.client.schemas.responses import OrchestrationResult
from prefect.context import SyncClientContext
from prefect.settings import get_current_settings


class LegClient(SyncPrefectClient):
    """Prefect's client, with the run of the leg in mind.

    `run_flow` reads the run that it was given once more, tells the server a version and a policy that it
    has, and asks where results are kept: each of them a request a leg. Written against Prefect 3.8.
    """

    _run: FlowRun | None = None
    _storage: Any = None

    def begin(self, flow_run: FlowRun) -> None:
        """The next leg is of this run, as the worker has just read it."""
        self._run = flow_run.model_copy(deep=True)

    def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        run, self._run = self._run, None
        return run if run and run.id == flow_run_id else super().read_flow_run(flow_run_id)

    def set_flow_run_state(
        self, flow_run_id: UUID | str, state: State[Any], force: bool = False
    ) -> OrchestrationResult[Any]:
        answer = super().set_flow_run_state(flow_run_id, state, force)
        run, now = self._run, answer.state
        if run and now and now.is_running():
            run.state, run.state_type, run.state_name = now, now.type, now.name
            run.run_count += 1
        else:
            # Not as expected: what the server says of it is to be read.
            self._run = None
        return answer

    def update_flow_run(
        self,
        flow_run_id: UUID,
        flow_version: str | None = None,
        parameters: dict[str, Any] | None = None,
        name: str | None = None,
        tags: Any = None,
        empirical_policy: FlowRunPolicy | None = None,
        infrastructure_pid: str | None = None,
        job_variables: dict[str, Any] | None = None,
    ) -> httpx.Response:
        run = self._run
        begins = empirical_policy is not None and not (parameters or name or tags or job_variables)
        if run and begins and (run.flow_version, run.empirical_policy) == (flow_version, empirical_policy):
            return httpx.Response(httpx.codes.NO_CONTENT)
        return super().update_flow_run(
            flow_run_id, flow_version, parameters, name, tags, empirical_policy, infrastructure_pid,
            job_variables,
        )  # fmt: skip

    def read_server_default_result_storage(self) -> Any:
        if self._storage is None:
            self._storage = super().read_server_default_result_storage()
        return self._storage


def connection() -> SyncClientContext:
    """A context in which everything in this process uses one LegClient, and one connection."""
    context = SyncClientContext()
    api = get_current_settings().api
    context.client = LegClient(
        str(api.url),
        auth_string=api.auth_string.get_secret_value() if api.auth_string else None,
        api_key=api.key.get_secret_value() if api.key else None,
    )
    return context

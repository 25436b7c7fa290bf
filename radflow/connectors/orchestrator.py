"""Prefect as radflow uses it: one run an order and round, resumed when the order wants a leg.

Runs are looked up by nothing but their id, and made by idempotency key: no look-up comes first.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Completed, Scheduled

from radflow.connectors.errors import Unavailable

ORDER_DEPLOYMENT = "order/radflow"
QUESTION_DEPLOYMENT = "reconcile/radflow"


class OrchestratorUnavailable(Unavailable):
    """Prefect's server does not answer. Nothing is lost: orders keep the time at which they want to wake."""


class NoSuchRun(LookupError):
    """Prefect does not know the run, as after the loss of its database."""


@dataclass(frozen=True)
class RunState:
    """The state of a run, and since when."""

    type: StateType
    since: datetime


class Orchestrator(Protocol):
    def create_run(self, order_key: str, round_: int, tags: Sequence[str]) -> str:
        """Make the run of this order and round, or return the one there is."""

    def resume(self, run_id: str) -> bool:
        """Schedule a suspended run again; False when it is not suspended. Raises NoSuchRun."""

    def states(self, run_ids: Sequence[str]) -> dict[str, RunState]:
        """How the runs stand, 200 at most; those that Prefect does not have are left out."""

    def schedule_anew(self, run_id: str) -> None:
        """Schedule a run whose leg was lost, whatever state it is shown in."""


class PrefectOrchestrator:
    """A real Prefect server, found by PREFECT_API_URL.

    Every method raises OrchestratorUnavailable when the server does not answer.
    """

    def __init__(self) -> None:
        self._client: SyncPrefectClient = get_client(sync_client=True)
        self._deployment_id: UUID | None = None

    def create_run(self, order_key: str, round_: int, tags: Sequence[str]) -> str:
        with reached():
            try:
                run = self._create(order_key, round_, tags)
            except ObjectNotFound:
                # The deployment was made anew, under another id.
                self._deployment_id = None
                run = self._create(order_key, round_, tags)
        return str(run)

    def _create(self, order_key: str, round_: int, tags: Sequence[str]) -> UUID:
        if self._deployment_id is None:
            self._deployment_id = _deployment(self._client, ORDER_DEPLOYMENT)
        key = order_key if round_ == 1 else f"{order_key}:{round_}"
        return self._client.create_flow_run_from_deployment(
            self._deployment_id, parameters={"order_key": order_key}, name=key, tags=tags, idempotency_key=key
        ).id

    def resume(self, run_id: str) -> bool:
        with reached():
            try:
                answer = self._client.resume_flow_run(UUID(run_id))
            except ObjectNotFound:
                raise NoSuchRun(run_id) from None
            except PrefectHTTPStatusError as error:
                # Prefect 3.8 answers 500 when it is asked to resume a run that it does not have.
                if not self.states([run_id]):
                    raise NoSuchRun(run_id) from error
                raise
        return answer.status is SetStateStatus.ACCEPT

    def states(self, run_ids: Sequence[str]) -> dict[str, RunState]:
        return _states(self._client, run_ids)

    def schedule_anew(self, run_id: str) -> None:
        with reached():
            self._client.set_flow_run_state(UUID(run_id), _next_leg(), force=True)


class PrefectQuestions:
    """Runs that wait for a person's answer, on a real Prefect server.

    Every method raises OrchestratorUnavailable when the server does not answer.
    """

    def __init__(self) -> None:
        self._client: SyncPrefectClient = get_client(sync_client=True)

    def ask(self, name: str, parameters: dict[str, Any], tags: Sequence[str], key: str) -> str:
        """The run that asks, made if there is none of this idempotency key; returns its id."""
        with reached():
            deployment = _deployment(self._client, QUESTION_DEPLOYMENT)
            return str(
                self._client.create_flow_run_from_deployment(
                    deployment, parameters=parameters, name=name, tags=tags, idempotency_key=key
                ).id
            )

    def states(self, run_ids: Sequence[str]) -> dict[str, RunState]:
        """How the runs stand, 200 at most; those that Prefect does not have are left out."""
        return _states(self._client, run_ids)

    def close(self, run_id: str, why: str) -> None:
        """End the run: its question is answered, or of no use any more."""
        with reached():
            self._client.set_flow_run_state(UUID(run_id), Completed(message=why), force=True)

    def run_again(self, run_id: str) -> None:
        """Let a run go on whose process was lost."""
        with reached():
            self._client.set_flow_run_state(UUID(run_id), _next_leg(), force=True)


def start_deployment(name: str, parameters: dict[str, Any]) -> str:
    """Schedule a run of the deployment of this name, `flow/deployment`; returns the run's id.

    Raises:
        OrchestratorUnavailable: Prefect does not answer, or has no such deployment.
    """
    with reached(), get_client(sync_client=True) as client:
        deployment = _deployment(client, name)
        return str(client.create_flow_run_from_deployment(deployment, parameters=parameters).id)


def _deployment(client: SyncPrefectClient, name: str) -> UUID:
    try:
        return client.read_deployment_by_name(name).id
    except ObjectNotFound:
        raise OrchestratorUnavailable(f"Prefect has no deployment {name}: run `radflow deploy`.") from None


def _states(client: SyncPrefectClient, run_ids: Sequence[str]) -> dict[str, RunState]:
    ids = FlowRunFilterId(any_=[UUID(run_id) for run_id in run_ids])
    with reached():
        runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=ids), limit=200)
    return {str(run.id): RunState(run.state.type, run.state.timestamp) for run in runs if run.state}


class FakeOrchestrator:
    """Prefect in memory: runs as a dict of states, which a test may set."""

    def __init__(self, now: datetime | None = None) -> None:
        self.runs: dict[str, RunState] = {}
        self.resumed: list[str] = []
        self.down = False
        self._now = now or datetime.now(UTC) - timedelta(hours=1)

    def create_run(self, order_key: str, round_: int, tags: Sequence[str]) -> str:
        self._reach()
        run_id = f"run-of-{order_key}-{round_}"
        self.runs.setdefault(run_id, RunState(StateType.SCHEDULED, self._now))
        return run_id

    def resume(self, run_id: str) -> bool:
        self._reach()
        if run_id not in self.runs:
            raise NoSuchRun(run_id)
        suspended = self.runs[run_id].type is StateType.PAUSED
        if suspended:
            self.schedule_anew(run_id)
        return suspended

    def states(self, run_ids: Sequence[str]) -> dict[str, RunState]:
        self._reach()
        return {run_id: self.runs[run_id] for run_id in run_ids if run_id in self.runs}

    def schedule_anew(self, run_id: str) -> None:
        self._reach()
        self.runs[run_id] = RunState(StateType.SCHEDULED, self._now)
        self.resumed.append(run_id)

    def _reach(self) -> None:
        if self.down:
            raise OrchestratorUnavailable("the fake is down")


def _next_leg() -> State[None]:
    return Scheduled(name="Resuming", scheduled_time=datetime.now(UTC))


@contextmanager
def reached() -> Iterator[None]:
    """Around calls to Prefect's server: raises OrchestratorUnavailable when it does not answer."""
    try:
        yield
    except (httpx.TransportError, ConnectionError) as error:
        what = f"Prefect's server does not answer ({type(error).__name__}): is PREFECT_API_URL right?"
        raise OrchestratorUnavailable(what) from error
    except PrefectHTTPStatusError as error:
        if error.response.status_code < 500:
            raise
        raise OrchestratorUnavailable(f"Prefect answers {error.response.status_code}") from error

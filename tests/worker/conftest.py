"""A real Prefect server on a free port, with its SQLite in a temporary folder, and real warm workers."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from radflow.deploy import PROJECT
from radflow.settings import LOOPBACK
from radflow.simulators.ports import free_port
from radflow.up import prefect_server, wait_for_prefect
from radflow.worker.worker import WarmWorker

PATIENCE = 120
"""Seconds that anything may take on a slow machine; nothing waits for so long when it works."""
REQUEST = re.compile(r'"([A-Z]+) /api(/[^ ?"]*)[^"]*" (\d+)')
UUIDS = re.compile(r"[0-9a-f-]{36}")


def eventually(question: Callable[[], Any]) -> Any:
    """The first true answer. Fails when there is none within the time."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if answer := question():
            return answer
        time.sleep(0.15)
    raise AssertionError(f"not within {PATIENCE} s: {question.__qualname__}")


class Prefect:
    """Prefect's server, and what a test asks of it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}/api"
        self.log = home / "server.log"
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Of the server, and of workers."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "RADFLOW"))
        }
        return inherited | {
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "RADFLOW_HOME": str(self.home),
            "RADFLOW_SITES_DIR": str(self.home / "sites"),
            "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.5",
            "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "0.5",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            # So that whatever runs soon was found by news, not by a regular look.
            "PREFECT_WORKER_QUERY_SECONDS": "600",
        }

    def start(self) -> None:
        command = [*prefect_server(self.port), "--log-level", "INFO"]
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                command, cwd=PROJECT, env=self.environment, stdout=log, stderr=log
            )
        wait_for_prefect(self.url)

    def stop(self) -> None:
        assert self._server is not None
        stop(self._server)

    def requests(self) -> list[str]:
        """Every request, as `POST /flow_runs/ID/set_state`, from the access log.

        Not those that SQLite was too busy for: they are asked again.
        """
        found = REQUEST.findall(self.log.read_text())
        return [f"{method} {UUIDS.sub('ID', path)}" for method, path, status in found if status != "503"]

    @property
    def client(self) -> SyncPrefectClient:
        return get_client(sync_client=True)

    def pool(self, processes: int = 2, modules: Sequence[str] = ()) -> str:
        """A new work pool of this many warm processes, which import these modules."""
        name = f"pool-{uuid4().hex[:8]}"
        template = WarmWorker.get_default_base_job_template()
        variables = template["variables"]["properties"]
        variables["warm_processes"]["default"] = processes
        variables["warm_modules"]["default"] = modules
        self.client.create_work_pool(WorkPoolCreate(name=name, type="radflow", base_job_template=template))
        return name

    def deploy(self, flow: str, pool: str, queue: str | None = None, **options: Any) -> UUID:
        """A new deployment of one of the small flows."""
        flow_id = self.client.create_flow_from_name(flow.replace("_", "-"))
        return self.client.create_deployment(
            flow_id=flow_id, name=uuid4().hex, entrypoint=f"tests.worker.small_flows.{flow}",
            work_pool_name=pool, work_queue_name=queue, **options,
        )  # fmt: skip

    def begin(self, deployment: UUID, **parameters: Any) -> UUID:
        """A run that is due now."""
        return self.client.create_flow_run_from_deployment(deployment, parameters=parameters).id

    def run(self, run_id: UUID) -> FlowRun:
        return self.client.read_flow_run(run_id)

    def comes_to(self, run_id: UUID, *states: str) -> FlowRun:
        """The run, once it is in one of the states."""

        def there() -> FlowRun | None:
            run = self.run(run_id)
            return run if run.state_name in states else None

        return eventually(there)  # type: ignore[no-any-return]


class Worker:
    """`prefect worker start --type radflow`, as a process."""

    def __init__(self, prefect: Prefect, pool: str, environment: Mapping[str, str]) -> None:
        self.log = prefect.home / f"{pool}.log"
        command = [sys.executable, "-m", "prefect", "worker", "start", "--type", "radflow", "--pool", pool]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=PROJECT, env={**prefect.environment, **environment}, stdout=log, stderr=log
            )

    def legs(self) -> list[int]:
        """Its warm processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children]

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that the tests have started."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def working(prefect: Prefect, pool: str, **environment: str) -> Iterator[Worker]:
    """A worker for the pool."""
    worker = Worker(prefect, pool, environment)
    try:
        yield worker
    finally:
        stop(worker.process)


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    """One server for all tests of a module."""
    server = Prefect(tmp_path_factory.mktemp("prefect"))
    server.start()
    try:
        with temporary_settings({PREFECT_API_URL: server.url}):
            yield server
    finally:
        server.stop()

"""The warm worker beside a real Prefect server: everything that one may expect of Prefect's own."""

import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.states import Cancelling

from tests.worker.conftest import Prefect, Worker, eventually, working


@pytest.fixture(scope="module")
def pool(prefect: Prefect) -> str:
    return prefect.pool(processes=2)


@pytest.fixture(scope="module", autouse=True)
def worker(prefect: Prefect, pool: str) -> Iterator[Worker]:
    """One worker for all tests that do not stop it."""
    with working(prefect, pool) as running:
        yield running


class Held:
    """Runs of `hold`, in the order of being due: which have begun, and an end to each."""

    def __init__(self, prefect: Prefect, folder: Path) -> None:
        self._prefect = prefect
        self._folder = folder
        self._runs: dict[str, UUID] = {}

    def begin(self, deployment: UUID, *names: str) -> None:
        for name in names:
            self._runs[name] = self._prefect.begin(deployment, folder=str(self._folder), name=name)

    def __getitem__(self, name: str) -> UUID:
        return self._runs[name]

    @property
    def begun(self) -> set[str]:
        return {name for name in self._runs if (self._folder / name).exists()}

    def have_begun(self, *names: str) -> None:
        eventually(lambda: set(names) <= self.begun)
        assert self.begun == set(names)

    def end(self, *names: str) -> None:
        for name in names:
            (self._folder / f"{name}.go").touch()
        for name in names:
            self._prefect.comes_to(self._runs[name], "Completed")

    def pid(self, name: str) -> int:
        return int((self._folder / name).read_text())


@pytest.fixture
def held(prefect: Prefect, tmp_path: Path) -> Iterator[Held]:
    runs = Held(prefect, tmp_path)
    yield runs
    for name in runs._runs:
        (tmp_path / f"{name}.go").touch()


def still_works(prefect: Prefect, pool: str, folder: Path) -> None:
    run = prefect.begin(prefect.deploy("note", pool), folder=str(folder), name="after")
    prefect.comes_to(run, "Completed")


@pytest.mark.parametrize("flow", ["note", "note_async"])
def test_legs_run_in_processes_that_are_there(
    prefect: Prefect, pool: str, worker: Worker, tmp_path: Path, flow: str
) -> None:
    deployment = prefect.deploy(flow, pool)
    for name in ("one", "two", "three"):
        run = prefect.comes_to(
            prefect.begin(deployment, folder=str(tmp_path), name=name), "Completed", "Crashed"
        )
        assert run.state_name == "Completed"
        assert run.labels["prefect.worker.type"] == "radflow"
    pids = {int((tmp_path / name).read_text()) for name in ("one", "two", "three")}
    assert pids <= set(worker.legs())


def test_what_is_logged_and_printed_reaches_the_server(prefect: Prefect, pool: str) -> None:
    """What programs print does not, and is not taken for the leg's answer; they have nothing to read."""
    run = prefect.begin(prefect.deploy("speak", pool))
    prefect.comes_to(run, "Completed")

    def said() -> set[str]:
        logs = prefect.client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])))
        return {line.message for line in logs}

    eventually(lambda: {"logged", "printed", "a program has read ''"} <= said())


def test_a_leg_has_a_heartbeat(prefect: Prefect, pool: str, held: Held) -> None:
    held.begin(prefect.deploy("hold", pool), "one")
    resource = {"id": [f"prefect.flow-run.{held['one']}"]}
    wanted = {"filter": {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": resource}}
    eventually(lambda: prefect.client.request("POST", "/events/filter", json=wanted).json()["events"])


def test_a_flow_that_fails_leaves_its_process_alone(
    prefect: Prefect, pool: str, worker: Worker, tmp_path: Path
) -> None:
    before = worker.legs()
    failed = prefect.comes_to(prefect.begin(prefect.deploy("fail", pool)), "Failed", "Crashed")
    assert failed.state_name == "Failed"
    still_works(prefect, pool, tmp_path)
    assert set(before) <= set(worker.legs())


def test_a_flow_s_timeout_ends_it(prefect: Prefect, pool: str) -> None:
    prefect.comes_to(prefect.begin(prefect.deploy("dawdle", pool)), "TimedOut")


@pytest.mark.parametrize("how", ["exit", "killed", "segfault"])
def test_a_leg_that_takes_its_process_down_has_crashed(
    prefect: Prefect, pool: str, tmp_path: Path, how: str
) -> None:
    """The pool goes on with another process."""
    prefect.comes_to(prefect.begin(prefect.deploy("die", pool), how=how), "Crashed")
    still_works(prefect, pool, tmp_path)


def test_a_flow_that_is_not_there_has_crashed(prefect: Prefect, pool: str, tmp_path: Path) -> None:
    prefect.comes_to(prefect.begin(prefect.deploy("nowhere", pool)), "Crashed")
    still_works(prefect, pool, tmp_path)


def test_a_suspended_run_goes_on_when_it_is_resumed(prefect: Prefect, pool: str, tmp_path: Path) -> None:
    run = prefect.begin(prefect.deploy("rest_once", pool), folder=str(tmp_path))
    prefect.comes_to(run, "Suspended")
    prefect.client.resume_flow_run(run)
    prefect.comes_to(run, "Completed")
    assert (tmp_path / "resumed").exists()


def test_many_runs_are_claimed_as_others_end(prefect: Prefect, pool: str, tmp_path: Path) -> None:
    """More than fit at once, and without a regular look in between."""
    deployment = prefect.deploy("note", pool)
    runs = [prefect.begin(deployment, folder=str(tmp_path), name=str(number)) for number in range(12)]
    for run in runs:
        prefect.comes_to(run, "Completed")


# Limits


def test_the_pool_s_limit_is_kept(prefect: Prefect, pool: str, held: Held) -> None:
    """The next run begins when one has ended, not at the next regular look."""
    prefect.client.update_work_pool(pool, WorkPoolUpdate(concurrency_limit=1))
    try:
        deployment = prefect.deploy("hold", pool)
        held.begin(deployment, "one")
        held.have_begun("one")
        held.begin(deployment, "two", "three")
        held.end("one")
        held.have_begun("one", "two")
        held.end("two")
        held.have_begun("one", "two", "three")
        held.end("three")
    finally:
        prefect.client.update_work_pool(pool, WorkPoolUpdate(concurrency_limit=None))


def test_a_queue_s_limit_is_kept(prefect: Prefect, pool: str, held: Held) -> None:
    prefect.client.create_work_queue(name="narrow", work_pool_name=pool, concurrency_limit=1)
    narrow, wide = prefect.deploy("hold", pool, "narrow"), prefect.deploy("hold", pool)
    held.begin(narrow, "one")
    held.have_begun("one")
    held.begin(narrow, "two")
    held.begin(wide, "wide")
    held.have_begun("one", "wide")
    held.end("one")
    held.have_begun("one", "wide", "two")
    held.end("wide", "two")


def test_a_queue_of_higher_priority_goes_first(prefect: Prefect, pool: str, held: Held) -> None:
    prefect.client.create_work_queue(name="urgent", work_pool_name=pool, priority=1)
    prefect.client.create_work_queue(name="routine", work_pool_name=pool, priority=9)
    prefect.client.update_work_pool(pool, WorkPoolUpdate(concurrency_limit=1))
    try:
        routine, urgent = prefect.deploy("hold", pool, "routine"), prefect.deploy("hold", pool, "urgent")
        held.begin(routine, "first")
        held.have_begun("first")
        held.begin(routine, "routine")
        held.begin(urgent, "urgent")
        held.end("first")
        held.have_begun("first", "urgent")
        held.end("urgent", "routine")
    finally:
        prefect.client.update_work_pool(pool, WorkPoolUpdate(concurrency_limit=None))


def test_a_deployment_s_limit_is_kept(prefect: Prefect, pool: str, held: Held) -> None:
    """It is given back when the leg has ended."""
    options = {"collision_strategy": "CANCEL_NEW"}
    deployment = prefect.deploy("hold", pool, concurrency_limit=1, concurrency_options=options)
    held.begin(deployment, "one")
    held.have_begun("one")
    held.begin(deployment, "two")
    prefect.comes_to(held["two"], "Cancelled")
    held.end("one")
    held.begin(deployment, "three")
    held.end("three")
    assert held.begun == {"one", "three"}


def test_a_tag_s_limit_is_kept(prefect: Prefect, pool: str, held: Held) -> None:
    prefect.client.create_concurrency_limit(tag="scarce", concurrency_limit=1)
    deployment = prefect.deploy("hold_in_task", pool)
    held.begin(deployment, "one")
    held.have_begun("one")
    held.begin(deployment, "two")
    prefect.comes_to(held["two"], "Running")
    held.end("one")
    assert held.begun <= {"one", "two"}
    held.end("two")


# Cancellation


def test_a_leg_that_runs_is_cancelled(prefect: Prefect, pool: str, held: Held, tmp_path: Path) -> None:
    held.begin(prefect.deploy("hold", pool), "one")
    held.have_begun("one")
    prefect.client.set_flow_run_state(held["one"], Cancelling())
    prefect.comes_to(held["one"], "Cancelled")
    still_works(prefect, pool, tmp_path)


def test_a_run_that_waits_for_a_process_is_cancelled(prefect: Prefect, pool: str, held: Held) -> None:
    """It is not begun afterwards."""
    deployment = prefect.deploy("hold", pool)
    held.begin(deployment, "one", "two")
    held.have_begun("one", "two")
    held.begin(deployment, "three", "four")
    for name in ("three", "four"):
        prefect.comes_to(held[name], "Pending")
    prefect.client.set_flow_run_state(held["three"], Cancelling())
    prefect.comes_to(held["three"], "Cancelled")
    held.end("one", "two", "four")
    assert held.begun == {"one", "two", "four"}
    assert prefect.run(held["three"]).state_name == "Cancelled"


# Stops and outages


def test_a_worker_that_stops_leaves_nothing_undone(prefect: Prefect, held: Held) -> None:
    """The leg that runs comes to its end; the run that has not begun is due again."""
    pool = prefect.pool(processes=1)
    deployment = prefect.deploy("hold", pool)
    with working(prefect, pool) as worker:
        held.begin(deployment, "one")
        held.have_begun("one")
        held.begin(deployment, "two")
        prefect.comes_to(held["two"], "Pending")
        worker.terminate()
        prefect.comes_to(held["two"], "Scheduled")
        held.end("one")
        worker.process.wait(60)
    eventually(lambda: not Path(f"/proc/{held.pid('one')}").exists())


def test_a_leg_does_not_outlive_its_worker_by_much(prefect: Prefect, held: Held) -> None:
    """However the worker has ended: after ten seconds the leg has crashed, and its process is gone."""
    pool = prefect.pool(processes=1)
    with working(prefect, pool) as worker:
        held.begin(prefect.deploy("hold", pool), "one")
        held.have_begun("one")
        worker.process.send_signal(signal.SIGKILL)
        prefect.comes_to(held["one"], "Crashed")
        eventually(lambda: not Path(f"/proc/{held.pid('one')}").exists())


def test_a_server_that_was_away_is_found_again(
    prefect: Prefect, pool: str, held: Held, tmp_path: Path
) -> None:
    """A leg that runs meanwhile comes to its end; news and cancellations arrive again."""
    deployment = prefect.deploy("hold", pool)
    held.begin(deployment, "one")
    held.have_begun("one")
    prefect.stop()
    prefect.start()
    held.end("one")
    still_works(prefect, pool, tmp_path)
    held.begin(deployment, "two")
    held.have_begun("one", "two")
    prefect.client.set_flow_run_state(held["two"], Cancelling())
    prefect.comes_to(held["two"], "Cancelled")

"""What waiting costs, and what an upgrade does to orders that wait."""

import shutil
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.states import Suspended
from sqlmodel import select

from flows.sweep import sweep
from radflow.clock import utc_now
from radflow.connectors.orchestrator import ORDER_DEPLOYMENT, PrefectOrchestrator
from radflow.deploy import PROJECT, deploy, sweep_every
from radflow.order import Event
from radflow.store import orders
from radflow.store.tables import OrderRow
from radflow.up import Service
from tests.builders import an_order
from tests.e2e.conftest import SWEEP_SECONDS, Hospital, descendants, eventually
from tests.e2e.test_life import EACH_STEP_ONCE, steps_of

MANY = 1000


def seed_waiting(hospital: Hospital, count: int, prefix: str) -> None:
    """Orders as they are after their first leg: worklisted, suspended, at rest."""
    now = utc_now()
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(ORDER_DEPLOYMENT)
        for number in range(count):
            order = an_order(f"{prefix}{number:05}", site="e2e")
            run = client.create_flow_run_from_deployment(
                deployment.id, parameters={"order_key": order.key}, name=order.key, idempotency_key=order.key,
                state=Suspended(),
            )  # fmt: skip
            with hospital.store.write() as session:
                row = orders.place(session, order, source="test", occurred_at=now, now=now)
                orders.record(session, order.key, Event.WORKLISTED, source="test", occurred_at=now, now=now)
                row.run_id, row.wake_at = str(run.id), None


def test_a_thousand_waiting_orders_cost_nothing_and_one_query(hospital: Hospital) -> None:
    """No process or thread is theirs, none wakes by itself, and a sweep asks the archive once."""
    processes = len(_processes(hospital))
    seed_waiting(hospital, MANY, "WAIT")
    assert len(_processes(hospital)) <= max(processes, len(hospital.site.services) + 3)
    threads = sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in _processes(hospital))
    assert threads < MANY / 5, "what all services have together, however many orders wait"
    # Nobody else asks the archive meanwhile: neither the sweeps that have piled up, nor a leg.
    hospital.kill("worker")
    try:
        asked = hospital.archive.queries
        assert sweep() == 0
        assert hospital.archive.queries == asked + 1
        assert all(row.state == "worklisted" and row.wake_at is None for row in hospital.rows("WAIT"))
    finally:
        hospital.service("worker").start()
        with hospital.store.write() as session:
            for row in session.exec(select(OrderRow).where(OrderRow.placer_order_number.startswith("WAIT"))):
                row.state = "cancelled"
                session.add(row)


def test_a_lost_wake_up_is_found_by_the_sweep(hospital: Hospital) -> None:
    """With the dispatcher dead, an order that has news is woken by the next sweep."""
    hospital.order(1, "LOST")
    eventually(lambda: hospital.all_in("LOST", 1, "worklisted"))
    hospital.kill("dispatcher")
    try:
        (item,) = hospital.worklist("LOST")
        hospital.acquire(item)
        eventually(lambda: hospital.all_in("LOST", 1, "acquired"))
        eventually(lambda: [run for run in hospital.runs("LOST") if "stage:acquired" in run.tags])
        # The leg gives the order back before Prefect is told that the run waits again.
        eventually(lambda: [run.state_type for run in hospital.runs("LOST")] == [StateType.PAUSED])
    finally:
        hospital.service("dispatcher").start()


def test_prefects_database_lost_gives_open_orders_their_runs_again(hospital: Hospital) -> None:
    """A run that Prefect no longer knows is made anew when the dispatcher starts."""
    hospital.order(1, "GONE")
    eventually(lambda: hospital.all_in("GONE", 1, "worklisted"))
    (row,) = hospital.rows("GONE")
    hospital.service("dispatcher").stop()
    with get_client(sync_client=True) as client:
        client.delete_flow_run(UUID(str(row.run_id)))
    assert PrefectOrchestrator().states([str(row.run_id)]) == {}
    hospital.service("dispatcher").start()
    eventually(lambda: hospital.rows("GONE")[0].run_id not in (None, row.run_id))
    eventually(lambda: hospital.all_in("GONE", 1, "worklisted"))
    assert steps_of(row.key) == {"put_on_worklist": 1}


def test_an_upgrade_while_an_order_waits_repeats_no_step(hospital: Hospital, tmp_path: Path) -> None:
    """The source of every task changes under a waiting order: the same run goes on, no step is done again."""
    hospital.order(1, "UPGR")
    eventually(lambda: hospital.all_in("UPGR", 1, "worklisted"))
    (before,) = hospital.rows("UPGR")
    upgraded = tmp_path / "upgraded"
    for part in ("flows", "tasks", "mappings", "radflow", "deployments"):
        shutil.copytree(PROJECT / part, upgraded / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (upgraded / "tasks").glob("*.py"):
        file.write_text(
            file.read_text().replace("_key: str) -> dict", "_key: str, upgraded: bool = True) -> dict")
        )
    old = hospital.service("worker")
    old.stop()
    new = Service("worker", old.command, old.log_file, folder=upgraded)
    new.start()
    try:
        (item,) = hospital.worklist("UPGR")
        hospital.acquire(item)
        # A report that came before the sweep has found the images would make the order look for them.
        eventually(lambda: hospital.all_in("UPGR", 1, "acquired"))
        hospital.report([item])
        eventually(lambda: hospital.all_in("UPGR", 1, "published"))
        assert new.process is not None
        assert Path(f"/proc/{new.process.pid}/cwd").readlink() == upgraded
    finally:
        new.stop()
        old.start()
    (after,) = hospital.rows("UPGR")
    assert (after.run_id, len(hospital.runs("UPGR"))) == (before.run_id, 1)
    assert steps_of(after.key) == EACH_STEP_ONCE


def test_a_leg_runs_in_prefects_own_process_too(hospital: Hospital) -> None:
    """`prefect flow-run execute`, which the process worker starts, runs the same deployment."""
    hospital.service("worker").stop()
    try:
        hospital.order(1, "PROC")
        (row,) = eventually(lambda: [row for row in hospital.rows("PROC") if row.run_id])
        command = (*hospital.service("worker").command[:3], "flow-run", "execute", str(row.run_id))
        one = Service("process", command, hospital.site.logs / "process.log")
        one.start()
        assert one.process is not None
        assert one.process.wait(60) == 0
        assert hospital.all_in("PROC", 1, "worklisted")
        assert _state_of(UUID(str(row.run_id))) is StateType.PAUSED
    finally:
        hospital.service("worker").start()


def test_deploying_again_changes_nothing(hospital: Hospital) -> None:
    """As after an upgrade: pool and deployments stay those that waiting orders' runs belong to."""

    def known() -> set[tuple[UUID, str | None, str | None]]:
        with get_client(sync_client=True) as client:
            pools = [(pool.id, pool.name, pool.type) for pool in client.read_work_pools()]
            made = [(one.id, one.name, one.entrypoint) for one in client.read_deployments()]
        return {*pools, *made}

    before = known()
    assert ("radflow", "radflow") in {(name, kind) for _, name, kind in before}
    try:
        deploy()
        assert known() == before
    finally:
        sweep_every(SWEEP_SECONDS)


def _processes(hospital: Hospital) -> list[int]:
    """Every process of every service."""
    pids = [service.process.pid for service in hospital.site.services if service.process]
    return [*pids, *(child for pid in pids for child in descendants(pid))]


def _state_of(run: UUID) -> StateType | None:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run).state_type

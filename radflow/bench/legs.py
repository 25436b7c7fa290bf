"""What a leg costs: in a warm process, and in a process of its own."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate

from radflow.bench.hospital import Hospital, cpu_of, hospital
from radflow.bench.processes import program
from radflow.bench.registry import Place, Result, bench, growth, times_the_peer
from radflow.connectors.orchestrator import ORDER_DEPLOYMENT

PEER = "Prefect's process worker"
AT_ONCE = 2
"""Legs, with either worker."""


@bench("legs", size="legs", sizes=(10, 20, 40))
def legs(sizes: Sequence[int], place: Place) -> Iterator[Result]:
    """CPU seconds of the worker and its processes a leg, the first of an order's life.

    Both workers run the same deployment of the same server, one after the other.
    """
    with hospital(place) as running:
        if running is None:
            return
        running.order(2, "FIRST")
        running.wait("FIRST", 2, "worklisted")
        warm = {size: _cost(running, _pid(running), f"WARM{size}N", size, place) for size in sizes}
        running.site.service("worker").stop()
        with _process_worker(place) as pid:
            cold = {size: _cost(running, pid, f"COLD{size}N", size, place) for size in sizes}
    for size in sizes:
        goal = times_the_peer(8) if size == max(sizes) else None
        yield Result(f"{size} legs", "CPU s/leg", warm[size][0] / size, cold[size][0] / size, PEER, goal)
        yield Result(
            f"{size} legs: Prefect's server", "CPU s/leg", warm[size][1] / size, cold[size][1] / size, PEER
        )
    if len(sizes) > 1:
        yield growth("legs", {size: cpu for size, (cpu, _) in warm.items()})


def _cost(running: Hospital, worker: int, prefix: str, count: int, place: Place) -> tuple[float, float]:
    """CPU seconds of the worker and of Prefect's server while so many orders get their first leg."""
    place.say(f"{count} legs ({prefix})")
    before = cpu_of(worker), running.cpu("prefect-server")
    running.order(count, prefix)
    running.wait(prefix, count, "worklisted")
    # A leg gives its order back before its process is done with it.
    time.sleep(place.seconds)
    return cpu_of(worker) - before[0], running.cpu("prefect-server") - before[1]


def _pid(running: Hospital) -> int:
    process = running.site.service("worker").process
    assert process is not None
    return process.pid


@contextmanager
def _process_worker(place: Place) -> Iterator[int]:
    """Prefect's own worker, for the orders' deployment."""
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="process", type="process"))
        deployment = client.read_deployment_by_name(ORDER_DEPLOYMENT)
        client.update_deployment(deployment.id, DeploymentUpdate(work_pool_name="process"))
    command = [
        sys.executable, "-m", "prefect", "worker", "start",
        "--type", "process", "--pool", "process", "--limit", AT_ONCE,
    ]  # fmt: skip
    with program(command, place.folder / "process-worker.log") as worker:
        yield worker.pid

"""A backfill that is killed half-way and started again, as the flow that it is.

`python -m radflow.bench.cut_off LAST_DAY` is the run that is killed. The last line that it prints
is the peak memory, in MB.
"""

import hashlib
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from radflow import up
from radflow.bench.homes import SITE
from radflow.bench.hospital import until
from radflow.bench.processes import peak_memory_mb, program
from radflow.bench.registry import Place
from radflow.bench.seeding import FIRST_DAY
from radflow.settings import LOOPBACK
from radflow.simulators.ports import free_port
from radflow.store import backfills
from radflow.store.backfills import BackfillState, ItemOutcome
from radflow.store.engine import Store
from radflow.store.tables import Backfill

CONCURRENCY = 2
_LEASE_SECONDS = 5
"""Of what the killed run held: so long nobody goes on."""


@dataclass(frozen=True)
class CutOff:
    """What became of it."""

    seconds: float
    """Of both runs, their start included, the lease between them not."""
    peak_mb: float
    """Of the second run's process, and of one of its children times the concurrency."""
    done_before: int
    """Items that were done when it was killed."""
    written: Mapping[str, str]
    """Each file of the warehouse, and the digest of its content."""


@contextmanager
def prefect_server(place: Place) -> Iterator[Mapping[str, str]]:
    """A server of the bench's own; yields what a run of its flows must find in its environment."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | {
        "PREFECT_HOME": str(place.folder / "prefect"),
        "PREFECT_API_URL": f"http://{LOOPBACK}:{port}/api",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "DO_NOT_TRACK": "1",
    }
    with program(up.prefect_server(port), place.folder / "prefect-server.log", environment=environment):
        up.wait_for_prefect(environment["PREFECT_API_URL"])
        yield environment


def cut_off(store: Store, folder: Path, last: date, environment: Mapping[str, str], runner: str) -> CutOff:
    """Rebuild the home's warehouse; SIGKILL when half of the days are done, then the same again.

    Args:
        environment: of `prefect_server`.
        runner: `threads` or `dask`.
    """
    command = [sys.executable, "-m", "radflow.bench.cut_off", last.isoformat()]
    environment = {
        **environment, "RADFLOW_TASK_RUNNER": runner, "RADFLOW_LEG_LEASE_SECONDS": str(_LEASE_SECONDS),
    }  # fmt: skip
    warehouse = folder / "warehouse"
    shutil.rmtree(warehouse, ignore_errors=True)
    before, _ = _newest(store)
    with (folder / f"{runner}.log").open("wb") as log:
        begun = time.perf_counter()
        with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as run:
            until(lambda: _half_done(store, before), every=0.05)
            run.kill()
        seconds = time.perf_counter() - begun
        _, counts = _newest(store)
        time.sleep(_LEASE_SECONDS)
        begun = time.perf_counter()
        resumed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=log, check=True)
        seconds += time.perf_counter() - begun
    peak_mb = float(resumed.stdout.splitlines()[-1])
    return CutOff(seconds, peak_mb, counts[ItemOutcome.DONE], _digests(warehouse))


def _newest(store: Store) -> tuple[Backfill | None, Counter[str]]:
    """The backfill that was begun last, and how many of its items there are of each outcome."""
    with store.read() as session:
        row = next(iter(backfills.newest(session, 1)), None)
        return row, backfills.counts(session, row.id or 0) if row else Counter()


def _half_done(store: Store, before: Backfill | None) -> bool:
    row, counts = _newest(store)
    if row is None or (before and row.id == before.id) or row.state == BackfillState.PLANNING:
        return False
    return counts[ItemOutcome.DONE] * 2 >= counts.total()


def _digests(folder: Path) -> Mapping[str, str]:
    files = sorted(folder.rglob("*.parquet"))
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def main(last_day: str) -> None:
    """Run the flow."""
    from flows.backfill import rebuild_warehouse
    from tasks.backfill import Pace, RebuildWarehouse

    what = RebuildWarehouse(site=SITE, since=FIRST_DAY.date(), until=date.fromisoformat(last_day))
    rebuild_warehouse(what, Pace(concurrency=CONCURRENCY, chunk=2))
    peak_mb = peak_memory_mb() + CONCURRENCY * peak_memory_mb(resource.RUSAGE_CHILDREN)
    sys.stdout.write(f"{peak_mb}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

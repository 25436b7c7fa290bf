"""How fast the past is worked through, and in how much memory."""

import resource
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from radflow.bench import seeding
from radflow.bench.homes import SITE, home
from radflow.bench.processes import apart
from radflow.bench.registry import Place, Result, bench, growth
from tasks.backfill import KINDS, RebuildWarehouse

_PLANNED_AT_ONCE = 1_000


@bench("backfill", size="orders", sizes=(1_000, 5_000, 20_000))
def backfill(sizes: Sequence[int], place: Place) -> Iterator[Result]:
    """Orders a second of a backfill that writes the warehouse anew, and its peak memory."""
    seconds = {}
    for size in sizes:
        folder = place.folder / str(size)
        place.say(f"backfill of {size}")
        with home(folder) as store:
            seeding.wait(store, SITE, size)
        with apart() as do:
            seconds[size], peak_mb = do(_rebuild, folder, size)
        yield Result(f"rebuild-warehouse, {size}", "orders/s", size / seconds[size])
        yield Result(f"rebuild-warehouse, {size}: peak memory of the process", "MB", peak_mb)
    if len(sizes) > 1:
        yield growth("rebuild-warehouse", seconds)


def _rebuild(folder: Path, size: int) -> tuple[float, float]:
    """Seconds and peak memory of all days, planned and done as the flow does, without Prefect around it."""
    kind = KINDS["rebuild-warehouse"]
    last = seeding.FIRST_DAY + timedelta(days=size // seeding.A_DAY)
    what = RebuildWarehouse(site=SITE, since=seeding.FIRST_DAY.date(), until=last.date())
    with home(folder) as store:
        begun, after = time.perf_counter(), ""
        while True:
            with store.read() as session:
                items = kind.plan(session, what, after, _PLANNED_AT_ONCE)
            if not items:
                break
            for after in items:
                kind.do(what, after)
        seconds = time.perf_counter() - begun
    # Linux tells KiB.
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1_000_000

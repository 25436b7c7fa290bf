"""How fast the past is worked through, and in how much memory."""

import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path

from radflow.bench import seeding
from radflow.bench.cut_off import cut_off, prefect_server
from radflow.bench.homes import SITE, home
from radflow.bench.processes import apart, peak_memory_mb
from radflow.bench.registry import Place, Result, at_most, bench, growth
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
    if max(sizes) > 2 * seeding.A_DAY:
        yield from _killed_and_resumed(max(sizes), place)


def _killed_and_resumed(size: int, place: Place) -> Iterator[Result]:
    """As a flow, with Prefect around it: killed half-way and started again, on threads and on Dask."""
    case, folder, written = f"killed half-way and resumed, {size}", place.folder / str(size), []
    with home(folder) as store, prefect_server(place) as environment:
        for runner in _runners(place):
            place.say(f"backfill of {size}, killed half-way and resumed, on {runner}")
            one = cut_off(store, folder, _last_day(size), environment, runner)
            yield Result(f"{case}, {runner}", "orders/s", size / one.seconds)
            yield Result(f"{case}, {runner}: days done before", "days", one.done_before)
            yield Result(f"{case}, {runner}: peak memory", "MB", one.peak_mb)
            written.append(one.written)
    differ = {name for name, _ in written[0].items() ^ written[-1].items()}
    of = f"{case}: files that differ, of {len(written[0])}"
    yield Result(of, "files", len(differ), goal=at_most(0))


def _runners(place: Place) -> Sequence[str]:
    if find_spec("prefect_dask"):
        return ("threads", "dask")
    place.say("Dask is left out: uv sync --extra dask")
    return ("threads",)


def _last_day(size: int) -> date:
    return (seeding.FIRST_DAY + timedelta(days=size // seeding.A_DAY)).date()


def _rebuild(folder: Path, size: int) -> tuple[float, float]:
    """Seconds and peak memory of all days, planned and done as the flow does, without Prefect around it."""
    kind = KINDS["rebuild-warehouse"]
    what = RebuildWarehouse(site=SITE, since=seeding.FIRST_DAY.date(), until=_last_day(size))
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
    return seconds, peak_memory_mb()

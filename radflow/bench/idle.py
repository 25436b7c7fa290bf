"""What orders cost that wait, while nothing happens."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from radflow.bench import seeding
from radflow.bench.homes import SITE, home
from radflow.bench.registry import Place, Result, at_most, bench, growth
from radflow.simulators.ports import free_port
from radflow.up import Site

_LEAST = 10.0
"""Seconds of watching at least: what the services do once in a while is to be seen."""
_SETTLES = 5.0
_TICKS = os.sysconf("SC_CLK_TCK")


@bench("idle", size="waiting orders", sizes=(1_000, 10_000, 100_000))
def idle(sizes: Sequence[int], place: Place) -> Iterator[Result]:
    """Memory and CPU of all our services together, while orders wait and nothing happens."""
    site_file = f"[listener]\nport = {free_port()}\n[worklist]\nport = {free_port()}\n"
    memory = {}
    with home(place.folder, site_file) as store:
        site = Site(free_port())
        try:
            place.say("starting the services, and Prefect's server beside them")
            site.start(place.say)
            for size in sizes:
                place.say(f"{size} orders wait")
                seeding.wait(store, SITE, size)
                time.sleep(_SETTLES)
                ours = _sessions(site)
                cpu = _cpu_share(ours, max(place.seconds, _LEAST))
                memory[size] = _memory_mb(ours)
                yield Result(f"{size} waiting: memory", "MB", memory[size], goal=at_most(1000))
                yield Result(f"{size} waiting: CPU", "% of a core", 100 * cpu, goal=at_most(1))
        finally:
            site.stop()
    if len(sizes) > 1:
        yield growth("memory", memory)


def _sessions(site: Site) -> set[int]:
    """The sessions of our own services: each is its first process and all that come of it."""
    return {
        service.process.pid for service in site.services
        if service.process and service.name != "prefect-server"
    }  # fmt: skip


def _cpu_share(sessions: set[int], seconds: float) -> float:
    """CPU seconds a second, of all their processes."""
    begun, before = time.monotonic(), _cpu_seconds(sessions)
    time.sleep(seconds)
    return (_cpu_seconds(sessions) - before) / (time.monotonic() - begun)


def _cpu_seconds(sessions: set[int]) -> float:
    # proc(5): utime and stime are the 14th and 15th field of stat, cutime and cstime those of ended children.
    return sum(sum(map(int, stat[11:15])) for _, stat in _processes(sessions)) / _TICKS


def _memory_mb(sessions: set[int]) -> float:
    """Proportional set size: a page that several processes share is counted once."""
    total = 0
    for process, _ in _processes(sessions):
        lines = (process / "smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1_000_000


def _processes(sessions: set[int]) -> Iterator[tuple[Path, list[str]]]:
    """The folder of each process in /proc, and its stat from the third field on."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            stat = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It has ended.
        if int(stat[3]) in sessions:
            yield process, stat

"""What runs beside a bench, in processes of their own, and ends with it."""

import multiprocessing
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from radflow.logs import set_up_logging
from radflow.settings import LOOPBACK

_WITHIN = 60.0
"""Seconds in which a process has to start, or to end when it is told to."""

Wait = Callable[[], None]
"""Returns when the bench has no more use for the service."""


@contextmanager
def beside(serve: Callable[..., None], *arguments: object) -> Iterator[int]:
    """Run `serve(tell, wait, *arguments)` in a process of its own; yields the port that it tells.

    Args:
        serve: a function of a module. It calls `tell(port)` once it serves, and returns soon after `wait()`.

    Raises:
        RuntimeError: it does not start.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serving, args=(serve, theirs, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield _told(ours, serve.__name__)
    finally:
        ours.close()
        process.join(_WITHIN)
        process.kill()


@contextmanager
def apart() -> Iterator[Callable[..., Any]]:
    """Yields `do(work, *arguments)`: what `work` returns, done in one process beside this one."""
    with multiprocessing.get_context("spawn").Pool(1, initializer=set_up_logging) as pool:
        yield lambda work, *arguments: pool.apply(work, arguments)


@contextmanager
def program(
    command: Sequence[object], log: Path, *, port: int = 0, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs until the end; with a port, once it listens there.

    Raises:
        RuntimeError: it does not listen.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            list(map(str, command)), stdout=file, stderr=file, env=dict(environment) if environment else None
        )
    try:
        if port:
            _until_it_listens(process, port, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def peak_memory_mb(who: int = resource.RUSAGE_SELF) -> float:
    """The most memory that this process has had; with RUSAGE_CHILDREN that of the largest ended child."""
    # Linux tells KiB.
    return resource.getrusage(who).ru_maxrss * 1024 / 1_000_000


def _serving(serve: Callable[..., None], parent: Connection, arguments: tuple[Any, ...]) -> None:
    # Standard output is the bench's own.
    set_up_logging()

    def wait() -> None:
        # Nothing is ever sent: the pipe ends when the bench is done with us, or is gone.
        parent.poll(None)

    serve(parent.send, wait, *arguments)


def _told(child: Connection, name: str) -> int:
    try:
        if child.poll(_WITHIN):
            return int(child.recv())
    except EOFError:
        raise RuntimeError(f"{name} ends before it serves") from None
    raise RuntimeError(f"{name} does not start within {_WITHIN:.0f} s")


def _until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + _WITHIN
    while process.poll() is None and time.monotonic() < give_up:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"a peer does not start: {log.read_text(errors='replace')[-500:]}")

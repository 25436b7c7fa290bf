"""Flows of the tests' own, deployed as `tests.worker.small_flows.NAME`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from prefect import flow, get_run_logger, suspend_flow_run, task

LONG = 120
"""Seconds that a flow holds on for at most, so that none outlives its test by much."""
FATAL = {"killed": signal.SIGKILL, "segfault": signal.SIGSEGV}


def _note(folder: str, name: str) -> None:
    Path(folder, name).write_text(str(os.getpid()))


@flow
def note(folder: str, name: str) -> None:
    """Say which process runs it."""
    _note(folder, name)


@flow
async def note_async(folder: str, name: str) -> None:
    """The same, as a coroutine."""
    _note(folder, name)


@flow
def hold(folder: str, name: str) -> None:
    """Say that it has begun, then run until it may end."""
    _hold(folder, name)


@flow
def hold_in_task(folder: str, name: str) -> None:
    """The same, in a task that has a tag."""
    tagged_hold(folder, name)


@task(tags=["scarce"])
def tagged_hold(folder: str, name: str) -> None:
    _hold(folder, name)


def _hold(folder: str, name: str) -> None:
    _note(folder, name)
    give_up = time.monotonic() + LONG
    while not Path(folder, f"{name}.go").exists() and time.monotonic() < give_up:
        time.sleep(0.02)


@flow
def die(how: str) -> None:
    """Take the process down."""
    if how == "exit":
        sys.exit(3)
    os.kill(os.getpid(), FATAL[how])
    time.sleep(LONG)


@flow
def fail() -> None:
    raise ValueError("as it should")


@flow(timeout_seconds=0.5)
def dawdle() -> None:
    time.sleep(LONG)


@flow(log_prints=True)
def speak() -> None:
    """Log, print, and let a program print and read."""
    get_run_logger().info("logged")
    print("printed")  # noqa: T201
    read = subprocess.run(["cat"], capture_output=True, text=True, check=True).stdout
    get_run_logger().info("a program has read %r", read)
    subprocess.run(["echo", "7"], check=True)


@flow
def rest_once(folder: str) -> None:
    """Suspend, and be done when resumed."""
    suspend_flow_run(timeout=None, key="rest")
    _note(folder, "resumed")

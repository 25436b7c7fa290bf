"""Warm processes by themselves: when one is lent again, and when it is replaced."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from radflow.worker import pool as of_pool
from radflow.worker.pool import WarmPool, WarmProcess

T = TypeVar("T")


@pytest.fixture(autouse=True)
def processes_that_start_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """They end with their standard input, as those that run legs do."""
    monkeypatch.setattr(of_pool, "LEG_PROCESS", ("cat",))


def with_pool(play: Callable[[WarmPool], Awaitable[T]]) -> T:
    async def played() -> T:
        pool = WarmPool()
        try:
            return await play(pool)
        finally:
            await pool.close()

    return asyncio.run(played())


def test_a_process_is_lent_again() -> None:
    async def play(pool: WarmPool) -> set[int]:
        pids = set()
        for _ in range(3):
            async with pool.process(1, ()) as process:
                pids.add(process.pid)
        return pids

    assert len(with_pool(play)) == 1


def test_a_process_that_has_had_its_legs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_pool, "LEGS_PER_PROCESS", 2)

    async def play(pool: WarmPool) -> list[int]:
        pids = []
        for _ in range(4):
            async with pool.process(1, ()) as process:
                process._legs += 1
                pids.append(process.pid)
        return pids

    first, again, second, again_too = with_pool(play)
    assert first == again
    assert second == again_too
    assert first != second


def test_a_process_that_has_died_while_idle_is_not_lent() -> None:
    async def play(pool: WarmPool) -> tuple[int, int]:
        async with pool.process(1, ()) as process:
            first = process
        first._process.kill()
        await first._process.wait()
        async with pool.process(1, ()) as process:
            return first.pid, process.pid

    died, lent = with_pool(play)
    assert died != lent


def test_no_more_are_lent_than_the_pool_has() -> None:
    """Legs get their process in the order of asking."""

    async def play(pool: WarmPool) -> list[str]:
        seen: list[str] = []

        async def leg(name: str) -> None:
            async with pool.process(1, ()):
                seen.append(f"{name} begins")
                await asyncio.sleep(0)
                seen.append(f"{name} ends")

        await asyncio.gather(leg("a"), leg("b"), leg("c"))
        return seen

    assert with_pool(play) == ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]


def test_a_leg_that_clings_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not heed its cancellation within the grace is killed."""
    monkeypatch.setattr(of_pool, "GRACE", 0.1)
    monkeypatch.setattr(of_pool, "LEG_PROCESS", ("sleep", "60"))

    async def play(_: WarmPool) -> int | None:
        process = await WarmProcess.start(())
        await process.cancel()
        return process._process.returncode

    assert with_pool(play) == -9

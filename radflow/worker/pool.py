"""Warm processes: started when first needed, lent to one leg at a time, replaced when worn or broken."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LEGS_PER_PROCESS = 500
"""A process is replaced after so many legs, so that what a library leaks does not add up."""
LINE_LIMIT = 16 * 1024 * 1024
"""The longest description of a flow run that is passed to a process, in bytes."""


class WarmProcess:
    """`python -m radflow.worker.leg_process`: a line of JSON in, a line out when the leg has ended."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._legs = 0

    @classmethod
    async def start(cls) -> "WarmProcess":
        command = (sys.executable, "-m", "radflow.worker.leg_process")
        return cls(
            await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, limit=LINE_LIMIT, start_new_session=True
            )
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def usable(self) -> bool:
        return self._process.returncode is None and self._legs < LEGS_PER_PROCESS

    async def run(self, flow_run: str) -> int:
        """Run one leg; returns 0, or the exit code of a process that the leg took down."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._legs += 1
        try:
            self._process.stdin.write(flow_run.encode() + b"\n")
            await self._process.stdin.drain()
            answer = await self._process.stdout.readline()
        except ConnectionError:
            answer = b""
        return int(answer) if answer else await self._process.wait() or 1

    async def stop(self) -> None:
        """End the process; a leg that still runs is cut off after ten seconds."""
        if self._process.returncode is not None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), timeout=10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


class WarmPool:
    """At most `size` processes, lent one leg at a time in the order of asking."""

    def __init__(self) -> None:
        self._idle: list[WarmProcess] = []
        self._free = asyncio.Condition()
        self._lent = 0

    @asynccontextmanager
    async def process(self, size: int) -> AsyncIterator[WarmProcess]:
        """A process for one leg, once one is free."""
        async with self._free:
            await self._free.wait_for(lambda: self._lent < size)
            self._lent += 1
        process: WarmProcess | None = None
        try:
            process = self._idle.pop() if self._idle else await WarmProcess.start()
            yield process
        finally:
            if process is not None and process.usable:
                self._idle.append(process)
            elif process is not None:
                await process.stop()
            async with self._free:
                self._lent -= 1
                self._free.notify()

    async def close(self) -> None:
        """Stop every process."""
        await asyncio.gather(*(process.stop() for process in self._idle))
        self._idle.clear()

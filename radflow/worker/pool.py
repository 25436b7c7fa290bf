"""Warm processes: started when first needed, lent to one leg at a time, replaced when worn or broken."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from prefect.client.schemas.objects import FlowRun

from radflow.worker.last_leg import LAST_LEG_SECONDS, LAST_WORD_SECONDS

LEG_PROCESS = (sys.executable, "-m", "radflow.worker.leg_process")
LEGS_PER_PROCESS = 500
"""A process is replaced after so many legs, so that what a library leaks does not add up."""
GRACE = 30.0
"""Seconds that a leg which is cancelled has to end by itself, as Prefect's process worker gives it."""
STOPS_WITHIN = LAST_LEG_SECONDS + LAST_WORD_SECONDS + 1
"""Seconds after which a process that is to stop is killed."""


class WarmProcess:
    """`python -m radflow.worker.leg_process`: a line of JSON in, a line out when the leg has ended."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._legs = 0
        self._cancelled = False

    @classmethod
    async def start(cls, modules: Sequence[str]) -> "WarmProcess":
        """Returns at once: the process imports the modules before it reads its first line."""
        return cls(
            await asyncio.create_subprocess_exec(
                *LEG_PROCESS, *modules, stdin=PIPE, stdout=PIPE, start_new_session=True
            )
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def usable(self) -> bool:
        return self._process.returncode is None and not self._cancelled and self._legs < LEGS_PER_PROCESS

    async def run(self, flow_run: FlowRun) -> int:
        """Run one leg; returns 0, or the exit code of a process that the leg took down.

        A leg that is cancelled ends with 0 in any case: whoever cancels it says what becomes of the run.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._legs += 1
        try:
            self._process.stdin.write(flow_run.model_dump_json().encode() + b"\n")
            await self._process.stdin.drain()
            answer = await self._process.stdout.readline()
        except ConnectionError:
            answer = b""
        if self._cancelled:
            return 0
        return int(answer) if answer else await self._process.wait() or 1

    async def cancel(self) -> None:
        """End the leg that runs, and the process with it; killed if it has not ended after half a minute."""
        assert self._process.stdin is not None
        self._cancelled = True
        try:
            self._process.stdin.write(b"cancel\n")
            await self._process.stdin.drain()
            await asyncio.wait_for(self._process.wait(), GRACE)
        except (TimeoutError, ConnectionError):
            await self._kill()

    async def stop(self) -> None:
        """End the process; a leg that still runs is crashed after ten seconds."""
        if self._process.returncode is not None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOPS_WITHIN)
        except TimeoutError:
            await self._kill()

    async def _kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


class WarmPool:
    """Processes, lent one leg at a time in the order of asking."""

    def __init__(self) -> None:
        self._idle: list[WarmProcess] = []
        self._lent = anyio.CapacityLimiter(1)

    async def warm_up(self, modules: Sequence[str]) -> None:
        """Start a process before a leg asks for one."""
        self._idle.append(await WarmProcess.start(modules))

    @asynccontextmanager
    async def process(self, size: int, modules: Sequence[str]) -> AsyncIterator[WarmProcess]:
        """A process for one leg, once fewer than `size` are lent; one that is used up is replaced at once."""
        self._lent.total_tokens = size
        async with self._lent:
            process = self._take() or await WarmProcess.start(modules)
            try:
                yield process
            finally:
                if process.usable:
                    self._idle.append(process)
                else:
                    await self.warm_up(modules)
                    await process.stop()

    def _take(self) -> WarmProcess | None:
        """One that is idle, and has not died while it was."""
        while self._idle:
            if (process := self._idle.pop()).usable:
                return process
        return None

    async def close(self) -> None:
        """Stop every process."""
        await asyncio.gather(*(process.stop() for process in self._idle))
        self._idle.clear()

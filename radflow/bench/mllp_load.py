"""Senders of HL7 over MLLP: many connections, each with one message on its way at a time."""

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from radflow.connectors.mllp_framing import frame
from radflow.settings import LOOPBACK
from radflow.simulators import ehr

_END = b"\x1c\r"
_NUMBER = "@NUMBER@"
_WITHIN = 60
"""Seconds for the answers that are still to come at the end."""


@dataclass(frozen=True)
class Load:
    """What the senders have seen."""

    acknowledged: int
    """AA or CA."""
    refused: int
    """Anything else, and what got no answer."""
    seconds: float
    waited: tuple[float, ...]
    """Seconds for each answer, ascending. At a given pace counted from when the message was due."""

    @property
    def a_second(self) -> float:
        return self.acknowledged / self.seconds

    def percentile(self, percent: float) -> float:
        """Seconds within which so many of a hundred answers came."""
        return self.waited[min(len(self.waited) - 1, int(len(self.waited) * percent / 100))]


def send(port: int, connections: int, seconds: float, a_second: float = 0) -> Load:
    """Send new orders for so long, over so many connections.

    A sender waits for the answer before it sends the next one. A connection that the server closes after an
    answer is opened again, as a real sender would.

    Args:
        a_second: the messages of all connections together; 0 is as fast as the answers come.
    """
    return asyncio.run(_send(port, connections, seconds, a_second))


async def _send(port: int, connections: int, seconds: float, a_second: float) -> Load:
    # Two loads may fall into one second: their messages differ all the same.
    load = secrets.token_hex(4).upper()
    senders = [_Sender(port, f"{load}{number}", number) for number in range(connections)]
    for sender in senders:
        await sender.connect()
    begun = time.perf_counter()
    pace = connections / a_second if a_second else 0
    async with asyncio.TaskGroup() as group:
        for number, sender in enumerate(senders):
            first = begun + pace * number / connections
            group.create_task(sender.send_until(begun + seconds, first, pace))
    taken = time.perf_counter() - begun
    waited = sorted(one for sender in senders for one in sender.waited)
    accepted = sum(sender.accepted for sender in senders)
    return Load(accepted, sum(sender.sent for sender in senders) - accepted, taken, tuple(waited))


class _Sender:
    def __init__(self, port: int, name: str, number: int) -> None:
        self.sent = self.accepted = 0
        self.waited: list[float] = []
        self._port, self._name = port, name
        person, exam = ehr.PEOPLE[number % len(ehr.PEOPLE)], ehr.EXAMS[number % len(ehr.EXAMS)]
        self._message = frame(ehr.order(_NUMBER, person, exam, datetime.now(UTC)))
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._is_lost = False

    async def connect(self) -> None:
        self._is_lost = False
        self._reader, self._writer = await asyncio.open_connection(LOOPBACK, self._port)

    async def send_until(self, end: float, due: float, pace: float) -> None:
        """Send one after the other; what has no answer in time is not accepted, nor is anything after it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(end - time.perf_counter() + _WITHIN):
                await self._send_all(end, due, pace)
        self._writer.close()

    async def _send_all(self, end: float, due: float, pace: float) -> None:
        now = time.perf_counter
        while (begun := due if pace else now()) < end:
            if begun > now():
                await asyncio.sleep(begun - now())
            self.sent += 1
            answer = await self._ask(self._next())
            self.waited.append(now() - begun)
            self.accepted += b"MSA|AA" in answer or b"MSA|CA" in answer
            due += pace

    def _next(self) -> bytes:
        """A message with an order number (ORC-2, OBR-2) and a control ID (MSH-10) of its own."""
        return self._message.replace(_NUMBER.encode(), f"{self._name}N{self.sent}".encode())

    async def _ask(self, message: bytes) -> bytes:
        """The answer to a message, which is sent again where the connection has ended before it came."""
        while True:
            if self._is_lost:
                self._writer.close()
                await self.connect()
            try:
                self._writer.write(message)
                answer = await self._reader.readuntil(_END)
            except (ConnectionError, asyncio.IncompleteReadError):
                self._is_lost = True
            else:
                self._is_lost = self._reader.at_eof()
                return answer

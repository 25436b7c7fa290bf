"""A connection of an MLLP sender.

It stays open and may send many messages ahead; the answers come in the order of the messages. A sender that
is slow or broken costs its own connection at most.
"""

import asyncio
import contextlib

from radflow.connectors.mllp_framing import CUT_OFF, Deframer, Frame, frame
from radflow.services.listener.reception import Parcel, Reception
from radflow.settings import Listener

_CHUNK = 64 * 1024
_AHEAD = 100
"""So many messages of a connection may wait for their commit before no more are read from it."""
_ENDS_WITHIN = 5
"""Seconds for the answers in flight when a connection ends."""
_LINGERS = 0.5
"""Seconds for which what still comes is thrown away, so that our last answer is not lost with it."""


class MllpWelcome:
    """Makes and serves connections."""

    def __init__(self, settings: Listener, reception: Reception) -> None:
        self._settings, self._reception = settings, reception

    def protocol(self) -> asyncio.StreamReaderProtocol:
        return _Streams()

    async def see_through(self, protocol: "_Streams", transport: asyncio.Transport, peer: str) -> None:
        loop = asyncio.get_running_loop()
        writer = asyncio.StreamWriter(transport, protocol, protocol.reader, loop)
        await _Connection(self._settings, self._reception, peer, protocol.reader, writer).serve()


class _Streams(asyncio.StreamReaderProtocol):
    def __init__(self) -> None:
        self.reader = asyncio.StreamReader(_CHUNK)
        super().__init__(self.reader)


class _Connection:
    """One sender: a task reads and hands over to the reception, another answers in the same order."""

    def __init__(
        self,
        settings: Listener,
        reception: Reception,
        peer: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._settings, self._reception, self._peer = settings, reception, peer
        self._reader, self._writer = reader, writer
        self._deframer = Deframer(settings.max_message_bytes)
        self._parcels: asyncio.Queue[Parcel | None] = asyncio.Queue(_AHEAD)
        self._is_gone = False

    async def serve(self) -> None:
        """Take messages until either side ends the connection."""
        answering = asyncio.create_task(self._answer_all())
        try:
            await self._read_all()
        finally:
            try:
                async with asyncio.timeout(_ENDS_WITHIN):
                    await self._parcels.put(None)
                    await answering
                    await self._part()
            except (TimeoutError, OSError):
                answering.cancel()
            finally:
                self._writer.transport.abort()

    async def _read_all(self) -> None:
        speaks_mllp = True
        frame_ends: float | None = None
        while speaks_mllp and (data := await self._receive(frame_ends)):
            frames = self._deframer.feed(data)
            for one in frames:
                await self._take(one)
                speaks_mllp &= one.trouble in ("", CUT_OFF)
            if not self._deframer.is_inside:
                frame_ends = None
            elif frames or frame_ends is None:
                frame_ends = asyncio.get_running_loop().time() + self._settings.frame_seconds
        if unfinished := self._deframer.close():
            await self._take(unfinished)

    async def _receive(self, frame_ends: float | None) -> bytes:
        """What has come; nothing when the sender has closed, is gone, idle or too slow with its message."""
        idle_ends = asyncio.get_running_loop().time() + self._settings.idle_seconds
        try:
            async with asyncio.timeout_at(min(frame_ends or idle_ends, idle_ends)):
                return await self._reader.read(_CHUNK)
        except OSError:
            return b""

    async def _take(self, one: Frame) -> None:
        parcel = await self._reception.take(one.data, self._peer, one.trouble)
        # Nobody waits for the answer to a message that was cut off.
        if one.trouble != CUT_OFF:
            await self._parcels.put(parcel)
        if parcel.is_long:
            # Read ahead of the store, long messages would fill the memory.
            await parcel.is_stored()

    async def _answer_all(self) -> None:
        while parcel := await self._parcels.get():
            answers = await self._reception.answers(parcel)
            if answers:
                await self._send(b"".join(map(frame, answers)))
            elif not await parcel.is_stored():
                # Its sender wants to hear nothing (MSH-15, MSH-16), and must not think that all is well.
                self._give_up()

    async def _send(self, answers: bytes) -> None:
        """A sender that is gone sends again: what it has sent is committed all the same."""
        transport = self._writer.transport
        if self._is_gone or transport.is_closing():
            return
        self._writer.write(answers)
        # As a rule the system has taken them at once: no timer then.
        if not transport.get_write_buffer_size():
            return
        try:
            async with asyncio.timeout(self._settings.answer_seconds):
                await self._writer.drain()
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        self._is_gone = True
        self._writer.transport.abort()

    async def _part(self) -> None:
        """Close, so that the sender gets the last answer even when it is still sending."""
        if self._is_gone:
            return
        if self._writer.can_write_eof() and not self._reader.at_eof():
            self._writer.write_eof()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGERS):
                    while await self._reader.read(_CHUNK):
                        pass
        self._writer.close()
        await self._writer.wait_closed()

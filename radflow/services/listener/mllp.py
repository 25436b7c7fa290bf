"""A connection of an MLLP sender.

It stays open and may send many messages ahead; the answers come in the order of the messages. A sender that
is slow or broken costs its own connection at most.
"""

import asyncio
from collections import deque

from radflow.connectors.mllp_framing import CUT_OFF, Deframer, Frame, frame
from radflow.services.listener.reception import Parcel, Reception
from radflow.settings import Listener

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

    def protocol(self, peer: str) -> "Connection":
        return Connection(self._settings, self._reception, peer)

    async def see_through(self, protocol: "Connection", _transport: asyncio.Transport) -> None:
        await protocol.serve()


class Connection(asyncio.Protocol):
    """One sender. Its messages are handed over to the reception as they come, without a task for each."""

    def __init__(self, settings: Listener, reception: Reception, peer: str) -> None:
        self._settings, self._reception, self._peer = settings, reception, peer
        self._loop = asyncio.get_running_loop()
        self._deframer = Deframer(settings.max_message_bytes)
        self._frames: deque[Frame] = deque()
        """Read, and not taken yet."""
        self._parcels: deque[Parcel] = deque()
        """Taken, and not answered yet."""
        self._taking: asyncio.Task[None] | None = None
        """Takes what cannot be taken at once; the frames behind it wait."""
        self._over = self._loop.create_future()
        """No more is read."""
        self._sender_is_done = self._loop.create_future()
        self._closed = self._loop.create_future()
        self._answered: asyncio.Future[None] | None = None
        """All that was read is answered; there when somebody waits for it."""
        self._is_held = False
        self._is_stuck: asyncio.TimerHandle | None = None
        """The sender takes no answers: until when it has time."""
        self._clock: asyncio.TimerHandle | None = None
        self._heard = self._begun = self._loop.time()
        """When something came last; when the message began that has not ended yet."""

    async def serve(self) -> None:
        """Answer messages until either side ends the connection; cancelled, answer those that were read."""
        try:
            await self._over
        finally:
            _tell(self._over)
            try:
                async with asyncio.timeout(_ENDS_WITHIN):
                    await self._all_is_answered()
                    await self._part()
            except TimeoutError:
                if self._taking:
                    self._taking.cancel()
            finally:
                self._transport.abort()

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._watch()

    def data_received(self, data: bytes) -> None:
        if self._over.done():
            return
        self._heard = self._loop.time()
        was_inside = self._deframer.is_inside
        frames = self._deframer.feed(data)
        if self._deframer.is_inside and (frames or not was_inside):
            self._begun = self._heard
            self._watch()
        self._frames += frames
        self._take_frames()
        if not all(one.trouble in ("", CUT_OFF) for one in frames):
            # It does not speak MLLP.
            self._read_no_more()

    def eof_received(self) -> bool:
        """Our side stays open for the answers; TLS knows no half of a connection."""
        _tell(self._sender_is_done)
        self._read_no_more()
        return self._transport.can_write_eof()

    def pause_writing(self) -> None:
        self._is_stuck = self._loop.call_later(self._settings.answer_seconds, self._transport.abort)
        self._hold_back()

    def resume_writing(self) -> None:
        if self._is_stuck:
            self._is_stuck.cancel()
            self._is_stuck = None
        self._hold_back()

    def connection_lost(self, exc: Exception | None) -> None:
        """A sender that is gone sends again: what it has sent is committed all the same."""
        for timer in (self._is_stuck, self._clock):
            if timer:
                timer.cancel()
        _tell(self._closed)
        _tell(self._sender_is_done)
        self._read_no_more()

    # Taking

    def _read_no_more(self) -> None:
        if self._over.done():
            return
        if unfinished := self._deframer.close():
            self._frames.append(unfinished)
            self._take_frames()
        _tell(self._over)

    def _take_frames(self) -> None:
        while self._frames and not self._taking:
            one = self._frames.popleft()
            if parcel := self._reception.take_at_once(one.data, self._peer, one.trouble):
                self._expect(one, parcel)
            else:
                self._taking = asyncio.create_task(self._take_long(one))
        self._hold_back()

    async def _take_long(self, one: Frame) -> None:
        try:
            parcel = await self._reception.take(one.data, self._peer, one.trouble)
            self._expect(one, parcel)
            # Read ahead of the store, long messages would fill the memory.
            await parcel.settled()
        finally:
            self._taking = None
        self._take_frames()
        self._answer()

    def _expect(self, one: Frame, parcel: Parcel) -> None:
        # Nobody waits for the answer to a message that was cut off.
        if one.trouble != CUT_OFF:
            self._parcels.append(parcel)
            parcel.when_settled(self._answer)

    # Answering

    def _answer(self) -> None:
        """Answer what is settled, in the order in which it came."""
        while self._parcels and self._parcels[0].is_settled:
            parcel = self._parcels.popleft()
            answers = self._reception.answers(parcel)
            if answers:
                self._send(b"".join(map(frame, answers)))
            elif not parcel.is_stored:
                # Its sender wants to hear nothing (MSH-15, MSH-16), and must not think that all is well.
                self._transport.abort()
        self._hold_back()
        if self._answered and not self._has_work:
            _tell(self._answered)

    def _send(self, answers: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answers)

    @property
    def _has_work(self) -> bool:
        return bool(self._parcels or self._frames or self._taking)

    async def _all_is_answered(self) -> None:
        if self._has_work:
            self._answered = self._loop.create_future()
            await self._answered

    # Pauses and ends

    def _hold_back(self) -> None:
        """Read no faster than messages are committed and answers taken."""
        ahead = bool(self._taking or self._is_stuck) or len(self._parcels) >= _AHEAD
        hold = ahead and not self._over.done()
        if hold is self._is_held or self._transport.is_closing():
            return
        self._is_held = hold
        if hold:
            self._transport.pause_reading()
        else:
            self._heard = self._begun = self._loop.time()
            self._transport.resume_reading()

    def _watch(self) -> None:
        """Look at the clock when the sender may have become idle, or too slow with its message."""
        if self._clock:
            self._clock.cancel()
        self._clock = self._loop.call_at(self._ends, self._look_at_clock)

    def _look_at_clock(self) -> None:
        if self._is_held:
            self._heard = self._begun = self._loop.time()
        if self._ends <= self._loop.time():
            self._read_no_more()
        else:
            self._watch()

    @property
    def _ends(self) -> float:
        idle = self._heard + self._settings.idle_seconds
        return min(idle, self._begun + self._settings.frame_seconds) if self._deframer.is_inside else idle

    async def _part(self) -> None:
        """Close, so that the sender gets the last answer even when it is still sending."""
        if self._transport.can_write_eof() and not self._sender_is_done.done():
            self._transport.write_eof()
            await asyncio.wait([self._sender_is_done], timeout=_LINGERS)
        self._transport.close()
        await self._closed


def _tell(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)

"""The MLLP listener: a message is committed, then acknowledged, never the other way round.

Connections stay open and may send many messages ahead; the answers come in the order of the messages. What
cannot be taken is answered AE or AR, and kept in quarantine with the reason.
"""

import asyncio
import contextlib
import hashlib
import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from mappings.hl7.acceptance import Verdict, judge
from mappings.hl7.ack import acknowledge
from mappings.hl7.errors import ErrorCode, NotTakable
from radflow.clock import utc_now
from radflow.connectors.mllp_framing import CUT_OFF, Deframer, Frame, frame
from radflow.services.inbox import Inbox
from radflow.settings import Site, settings
from radflow.store.engine import Store, store
from radflow.store.messages import Arrival, MessageState

log = structlog.get_logger()

_CHUNK = 64 * 1024
_AHEAD = 100
"""So many messages of a connection may wait for their commit before no more are read from it."""
_STOPS_WITHIN = 5
"""Seconds for the answers in flight when the listener stops."""

NOT_STORED = NotTakable(
    ErrorCode.APPLICATION_INTERNAL_ERROR, "", "The message could not be stored; send it again."
)
UNREADABLE = NotTakable(ErrorCode.APPLICATION_INTERNAL_ERROR, "", "The message could not be read.")


@dataclass(frozen=True)
class _Pending:
    """A message that is answered once it is known whether it was committed."""

    verdict: Verdict
    digest: str
    committed: "asyncio.Future[bool]"


async def serve(
    sites: Sequence[Site],
    store: Store,
    *,
    clock: Callable[[], datetime] = utc_now,
    started: Callable[[dict[str, int]], None] | None = None,
) -> None:
    """Listen for these sites until cancelled; then commit and answer what was read, and stop.

    Args:
        clock: tells when a message came.
        started: called once with the port of each site; the system has chosen it where the settings say 0.
    """
    inbox = Inbox(store)
    listeners = [_SiteListener(site, inbox, clock) for site in sites]
    try:
        ports = {listener.site.name: await listener.start() for listener in listeners}
        for name, port in ports.items():
            log.info("listener started", site=name, port=port)
        if started:
            started(ports)
        await asyncio.Event().wait()
    finally:
        await asyncio.gather(*(listener.stop() for listener in listeners))
        await inbox.close()


def run_listener(site_names: list[str] | None = None) -> None:
    """Listen for these sites, or for all, until SIGTERM or SIGINT."""
    sites = [settings().site(name) for name in site_names or settings().sites]
    store().migrate()
    asyncio.run(_until_told(sites))
    log.info("listener stopped")


async def _until_told(sites: Sequence[Site]) -> None:
    serving = asyncio.create_task(serve(sites, store()))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


class _SiteListener:
    """The server of a site, and its open connections."""

    def __init__(self, site: Site, inbox: Inbox, clock: Callable[[], datetime]) -> None:
        self.site = site
        self._inbox = inbox
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Accept connections; returns the port."""
        listener = self.site.listener
        self._server = await asyncio.start_server(self._accept, listener.host, listener.port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Accept no more, read no more, answer what was read."""
        if self._server:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=_STOPS_WITHIN + 1)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= self.site.listener.max_connections:
            log.warning("too many connections, one is refused", site=self.site.name)
            writer.transport.abort()
            return
        connection = _Connection(self.site, self._inbox, self._clock, reader, writer)
        task = asyncio.create_task(connection.serve())
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)


class _Connection:
    """One sender: a task reads and hands over to the inbox, another answers in the same order."""

    def __init__(
        self,
        site: Site,
        inbox: Inbox,
        clock: Callable[[], datetime],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._site = site
        self._inbox = inbox
        self._clock = clock
        self._reader = reader
        self._writer = writer
        self._peer = ":".join(map(str, (writer.get_extra_info("peername") or ("",))[:2]))
        self._pending: asyncio.Queue[_Pending | None] = asyncio.Queue(_AHEAD)

    async def serve(self) -> None:
        """Take messages until either side ends the connection."""
        answering = asyncio.create_task(self._answer_all())
        try:
            await self._read_all()
        finally:
            try:
                async with asyncio.timeout(_STOPS_WITHIN):
                    await self._pending.put(None)
                    await answering
            except TimeoutError:
                answering.cancel()
            self._writer.close()

    async def _read_all(self) -> None:
        deframer = Deframer(self._site.listener.max_message_bytes)
        speaks_mllp = True
        while speaks_mllp and (data := await self._receive()):
            for one in deframer.feed(data):
                await self._take(one)
                speaks_mllp &= one.trouble in ("", CUT_OFF)
        if unfinished := deframer.close():
            await self._take(unfinished)

    async def _receive(self) -> bytes:
        """What has come; nothing when the sender has closed, is gone, or was idle for too long."""
        try:
            async with asyncio.timeout(self._site.listener.idle_seconds):
                return await self._reader.read(_CHUNK)
        except (ConnectionError, TimeoutError):
            return b""

    async def _take(self, one: Frame) -> None:
        verdict = _judge(one)
        digest = hashlib.sha256(one.data).hexdigest()
        committed = self._inbox.keep(self._arrival(one.data, digest, verdict))
        # Nobody waits for the answer to a message that was cut off.
        if one.trouble != CUT_OFF:
            await self._pending.put(_Pending(verdict, digest, committed))

    async def _answer_all(self) -> None:
        while pending := await self._pending.get():
            answer = self._answer(pending, committed=await pending.committed)
            # A sender that is gone sends again: what it has sent is committed all the same.
            with contextlib.suppress(ConnectionError):
                self._writer.write(frame(answer))
                await self._writer.drain()

    def _answer(self, pending: _Pending, *, committed: bool) -> bytes:
        refusal = pending.verdict.refusal if committed else NOT_STORED
        return acknowledge(
            pending.verdict.message,
            refusal,
            control_id=pending.digest[:20].upper(),
            now=self._clock().astimezone(self._site.zone),
            application=self._site.application,
            facility=self._site.facility,
        )

    def _arrival(self, raw: bytes, digest: str, verdict: Verdict) -> Arrival:
        refusal = verdict.refusal
        return Arrival(
            received_at=self._clock(),
            site=self._site.name,
            peer=self._peer,
            sender=_column(f"{verdict.header('MSH-3')}|{verdict.header('MSH-4')}"),
            control_id=_column(verdict.header("MSH-10")),
            message_type=_column(verdict.message_type),
            version=_column(verdict.header("MSH-12")),
            raw=raw,
            digest=digest,
            state=MessageState.QUARANTINED if refusal else MessageState.RECEIVED,
            ack_code=verdict.ack_code,
            reason=refusal.reason if refusal else "",
        )


def _judge(one: Frame) -> Verdict:
    try:
        verdict = judge(one.data)
    except Exception as error:
        # Whatever bytes come, the listener lives.
        log.error("a message could not be read", error=type(error).__name__)
        return Verdict(None, UNREADABLE)
    if one.trouble:
        return Verdict(verdict.message, NotTakable(ErrorCode.SEGMENT_SEQUENCE_ERROR, "MSH^1", one.trouble))
    return verdict


_LONGEST = 200
"""Characters of a header field that are kept as a column: PostgreSQL indexes rows of 2,704 bytes at most."""


def _column(value: str) -> str:
    """A header field as text that both databases take."""
    return re.sub(r"[\x00-\x1f\ud800-\udfff]", "", value)[:_LONGEST]

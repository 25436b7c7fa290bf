"""A door: it accepts connections within limits, and lets each in by a TLS handshake where that is wanted."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable
from typing import Any, Protocol

import structlog

from radflow.settings.services import Hl7Service

log = structlog.get_logger()

_BACKLOG = 1024
_HANDSHAKE_SECONDS = 10
_CLOSES_WITHIN = 10
"""Seconds for the answers in flight when the door closes."""
_OUT_OF_FILES_PAUSE = 0.2


class Welcome(Protocol):
    """What happens behind a door."""

    def protocol(self, peer: str) -> asyncio.BaseProtocol:
        """A new connection's protocol; `peer` is its `host:port`."""

    def see_through(self, protocol: Any, transport: asyncio.Transport) -> Awaitable[None]:
        """Serve the connection to its end; when cancelled, finish what is under way and end it."""


class Door:
    """A port, and the connections that came through it."""

    def __init__(
        self, name: str, limits: Hl7Service, context: ssl.SSLContext | None, welcome: Welcome
    ) -> None:
        self._name, self._limits, self._context, self._welcome = name, limits, context, welcome
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._peers: Counter[str] = Counter()

    @property
    def has_tls(self) -> bool:
        return self._context is not None

    async def open(self) -> int:
        """Accept connections; returns the port."""
        where = (self._limits.host, self._limits.port)
        loop = asyncio.get_running_loop()
        family, *_ = (await loop.getaddrinfo(*where, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE))[0]
        self._socket = socket.create_server(where, family=family, backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._accepting = asyncio.create_task(self._accept_all(self._socket))
        return int(self._socket.getsockname()[1])

    async def close(self) -> None:
        """Accept no more, read no more, answer what was read."""
        for task in (self._accepting, *self._connections):
            if task:
                task.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=_CLOSES_WITHIN)
        if self._socket:
            self._socket.close()

    async def _accept_all(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except OSError as error:
                log.error("no connection can be accepted", door=self._name, error=error.strerror)
                await asyncio.sleep(_OUT_OF_FILES_PAUSE)
            else:
                self._admit(accepted, *address[:2])

    def _admit(self, accepted: socket.socket, host: str, port: int) -> None:
        limits = self._limits
        too_many = (
            len(self._connections) >= limits.max_connections
            or self._peers[host] >= limits.max_connections_per_peer
        )
        if too_many:
            log.warning("too many connections, one is refused", door=self._name, peer=host)
            accepted.close()
            return
        self._peers[host] += 1
        task = asyncio.create_task(self._let_in(accepted, f"{host}:{port}"))
        self._connections.add(task)
        task.add_done_callback(lambda done: self._leave(done, host))

    def _leave(self, done: "asyncio.Task[None]", host: str) -> None:
        self._connections.discard(done)
        self._peers[host] -= 1
        if not self._peers[host]:
            del self._peers[host]
        if not done.cancelled() and (error := done.exception()):
            # The error's text might quote what was sent.
            log.error("a connection has failed", door=self._name, peer=host, error=type(error).__name__)

    async def _let_in(self, accepted: socket.socket, peer: str) -> None:
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        handshake = _HANDSHAKE_SECONDS if self._context else None
        try:
            transport, protocol = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._welcome.protocol(peer),
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=handshake,
                ssl_shutdown_timeout=handshake,
            )
        except OSError as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            log.warning("no TLS handshake", door=self._name, peer=peer, reason=reason)
            accepted.close()
            return
        await self._welcome.see_through(protocol, transport)

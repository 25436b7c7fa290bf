"""Sending HL7 over MLLP, one message at a time on a connection that stays open."""

import asyncio
import contextlib
import select
import socket
import ssl
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from mappings.hl7.errors import NotTakable
from mappings.hl7.reader import Hl7Message
from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.mllp_fake import FakeReceiver
from radflow.connectors.mllp_framing import Deframer, frame
from radflow.connectors.tls import client_context
from radflow.settings.tls import ClientTls

__all__ = [
    "Ack",
    "AsyncMllpClient",
    "FakeReceiver",
    "MllpClient",
    "MllpRefused",
    "MllpUnavailable",
    "read_answer",
]

_MAX_ACK_BYTES = 1024 * 1024
_CHUNK = 64 * 1024

_ACCEPTED = frozenset({"AA", "CA"})
_REFUSED = frozenset({"AE", "AR", "CE", "CR"})
"""MSA-1, HL7 table 0008."""

_TRY_AGAIN = frozenset({"206", "207"})
"""HL7 table 0357: record locked, application internal error. Another time it may go well."""


class MllpUnavailable(Unavailable):
    """The receiver cannot be reached, does not answer in time or understandably, or is in trouble itself."""


class MllpRefused(Refused):
    """The receiver has answered AE or AR. The text holds codes and places; `ack.text` may quote a patient."""

    def __init__(self, ack: "Ack") -> None:
        where = f" at {ack.location}" if ack.location else ""
        error = f", error {ack.error}{where}" if ack.error else ""
        super().__init__(f"The receiver answers {ack.code}{error}")
        self.ack = ack


@dataclass(frozen=True)
class Ack:
    """An acknowledgement."""

    code: str
    """MSA-1, HL7 table 0008."""
    control_id: str
    """MSA-2: MSH-10 of the message that is answered."""
    error: str = ""
    """HL7 table 0357: ERR-3, before v2.5 ERR-1.4."""
    location: str = ""
    """ERR-2, before v2.5 ERR-1: segment^sequence^field."""
    text: str = ""
    """ERR-8 or MSA-3: the receiver's own words."""


class MllpClient:
    """Sends messages and waits for each answer. Connects when there is something to send."""

    def __init__(self, host: str, port: int, *, timeout: float = 30, tls: ClientTls | None = None) -> None:
        """Name the receiver; `timeout` is in seconds, for each message.

        Raises:
            ConfigError: a certificate or key of `tls` cannot be read.
        """
        self._host, self._port, self._timeout = host, port, timeout
        self._context = client_context(tls)
        self._server_name = (tls.server_name if tls else "") or host
        self._socket: socket.socket | None = None
        self._committed: set[str] = set()

    def send(self, message: bytes) -> Ack:
        """Send a message, without its frame.

        An accept acknowledgment (CA) will do: with it the receiver has taken the message over. What it says
        later of the same message in enhanced mode is not waited for.

        Raises:
            MllpUnavailable: no connection, no answer (in time) that can be read, or error 206 or 207.
            MllpRefused: any other AE or AR.
        """
        control_id = Hl7Message(message).get("MSH-10")
        try:
            ack = read_answer(self._exchange(message), control_id)
        except OSError as error:
            self.close()
            raise _unreachable(error) from error
        except MllpUnavailable:
            # An answer that comes late must not be taken for the next one.
            self.close()
            raise
        if ack.code == "CA":
            self._committed.add(control_id)
        return ack

    def close(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None
        self._committed.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, message: bytes) -> bytes:
        # Readable before anything is sent: the other side has closed, or says what nobody asked for.
        if self._socket and select.select([self._socket], [], [], 0)[0]:
            self.close()
        if self._socket is None:
            return self._send_once(self._connect(), message)
        try:
            return self._send_once(self._socket, message)
        except (ConnectionError, ssl.SSLEOFError):
            # Many receivers close after an answer, and this one was just about to. The same MSH-10 again.
            self.close()
            return self._send_once(self._connect(), message)

    def _connect(self) -> socket.socket:
        plain = socket.create_connection((self._host, self._port), self._timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A handshake that fails closes the socket.
        wrap = self._context and self._context.wrap_socket
        self._socket = wrap(plain, server_hostname=self._server_name) if wrap else plain
        return self._socket

    def _send_once(self, connection: socket.socket, message: bytes) -> bytes:
        deadline = time.monotonic() + self._timeout
        connection.settimeout(self._timeout)
        connection.sendall(frame(message))
        deframer = Deframer(_MAX_ACK_BYTES)
        while data := connection.recv(_CHUNK):
            for answer in deframer.feed(data):
                if not self._is_late(answer.data):
                    return answer.data
            connection.settimeout(max(0.001, deadline - time.monotonic()))
        raise ConnectionResetError

    def _is_late(self, answer: bytes) -> bool:
        """Whether it is the application's answer to a message that was committed before."""
        if not self._committed:
            return False
        with contextlib.suppress(NotTakable):
            return Hl7Message(answer).get("MSA-2") in self._committed
        return False


class AsyncMllpClient:
    """`MllpClient` for asyncio, on one connection that is opened beforehand."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, seconds: float = 30
    ) -> None:
        self._reader, self._writer, self._timeout = reader, writer, seconds

    @classmethod
    async def connect(
        cls, host: str, port: int, *, seconds: float = 30, tls: ClientTls | None = None
    ) -> Self:
        """Open the connection; `seconds` are for that, and then for each message.

        Raises:
            MllpUnavailable: it cannot be opened in time.
            ConfigError: a certificate or key of `tls` cannot be read.
        """
        context = client_context(tls)
        name = ((tls and tls.server_name) or host) if context else None
        try:
            async with asyncio.timeout(seconds):
                streams = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
                return cls(*streams, seconds=seconds)
        except OSError as error:
            raise _unreachable(error) from error

    async def send(self, message: bytes) -> Ack:
        """Send a message, without its frame. Raises as `MllpClient.send`."""
        control_id = Hl7Message(message).get("MSH-10")
        try:
            async with asyncio.timeout(self._timeout):
                self._writer.write(frame(message))
                await self._writer.drain()
                answer = await self._answer()
        except OSError as error:
            raise _unreachable(error) from error
        return read_answer(answer, control_id)

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _answer(self) -> bytes:
        deframer = Deframer(_MAX_ACK_BYTES)
        while data := await self._reader.read(_CHUNK):
            for answer in deframer.feed(data):
                return answer.data
        raise ConnectionResetError


def read_answer(answer: bytes, control_id: str) -> Ack:
    """The acknowledgement of the message with this MSH-10.

    Raises:
        MllpUnavailable: it is none, or of another message, or says that it may go well later.
        MllpRefused: it says no.
    """
    try:
        message = Hl7Message(answer)
    except NotTakable as error:
        raise MllpUnavailable(f"The receiver's answer cannot be read: {error.reason}") from None
    ack = _ack(message)
    if ack.control_id != control_id:
        raise MllpUnavailable("The receiver has answered another message")
    if ack.code in _ACCEPTED:
        return ack
    if ack.code not in _REFUSED:
        raise MllpUnavailable("The receiver's answer has no acknowledgment code (MSA-1)")
    refused = MllpRefused(ack)
    if ack.error in _TRY_AGAIN:
        raise MllpUnavailable(str(refused)) from refused
    raise refused


def _ack(message: Hl7Message) -> Ack:
    # From v2.5 on; before, place and code are the components of ERR-1.
    place, error = "ERR-2", message.get("ERR-3")
    if not error:
        place, error = "ERR-1", message.get("ERR-1.4")
    location = "^".join(message.field(place).get(component) for component in (1, 2, 3)).rstrip("^")
    text = message.get("ERR-8") or message.get("MSA-3")
    return Ack(message.get("MSA-1"), message.get("MSA-2"), error, location, text)


def _unreachable(error: OSError) -> MllpUnavailable:
    if isinstance(error, TimeoutError):
        return MllpUnavailable("The receiver does not answer in time")
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return MllpUnavailable(f"TLS with the receiver fails: {error.reason}")
    if isinstance(error, ConnectionResetError | BrokenPipeError | ssl.SSLEOFError):
        return MllpUnavailable("The receiver has closed the connection without an answer")
    return MllpUnavailable(f"The receiver cannot be reached: {error.strerror or type(error).__name__}")

"""A receiver of HL7 over MLLP that keeps what it gets: for tests, and as the EHR of the demo."""

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from mappings.hl7.ack import acknowledge
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.reader import Hl7Message
from radflow.connectors.mllp_framing import Deframer, frame
from radflow.settings import LOOPBACK

_CHUNK = 64 * 1024


@dataclass
class FakeReceiver:
    """A receiver that keeps what it gets, for tests and the demo's EHR. Use it as a context manager.

    `answer` may be changed at any time: AA, AE, AR, or None to stay silent.
    """

    answer: str | None = "AA"
    port: int = 0
    messages: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = _Server((LOOPBACK, self.port), _Connection)
        self._server.receiver = self
        self.port = int(self._server.server_address[1])
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, raw: bytes) -> bytes | None:
        """Keep a message; the answer to it."""
        self.messages.append(raw)
        if self.answer is None:
            return None
        message = Hl7Message(raw)
        refusal = None
        if self.answer != "AA":
            # A place in the header makes it AR.
            place = "MSH^1^9" if self.answer == "AR" else "PID^1^3"
            refusal = NotTakable(ErrorCode.TABLE_VALUE_NOT_FOUND, place, "The fake was told to refuse.")
        now = datetime.now(UTC)
        return acknowledge(message, refusal, control_id=str(len(self.messages)), now=now)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    receiver: FakeReceiver


class _Connection(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        for message in self._messages():
            answer = self.server.receiver.take(message)
            if answer is not None:
                self.request.sendall(frame(answer))

    def _messages(self) -> Iterator[bytes]:
        deframer = Deframer(16 * 1024 * 1024)
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(_CHUNK):
                for one in deframer.feed(data):
                    if not one.trouble:
                        yield one.data

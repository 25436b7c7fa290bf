"""Where HL7 goes out: one small interface, and a client for each kind of destination.

A new kind is a class with `send` and `close`, a settings class and one entry in `KINDS`.
"""

from collections.abc import Callable
from typing import Any, Protocol

from radflow.connectors.hl7_http import Hl7HttpClient
from radflow.connectors.mllp import Ack, MllpClient
from radflow.settings import Destination, HttpReceiver, MllpReceiver


class Hl7Client(Protocol):
    """Sends messages to one receiver, over a connection that stays open."""

    def send(self, message: bytes) -> Ack:
        """Send a message and wait for its answer.

        Raises:
            Unavailable: no answer, or one that says that it may go well later.
            Refused: the receiver has answered AE or AR.
        """

    def close(self) -> None: ...


def _mllp(receiver: MllpReceiver) -> Hl7Client:
    return MllpClient(receiver.host, receiver.port, timeout=receiver.timeout_seconds, tls=receiver.tls)


def _http(receiver: HttpReceiver) -> Hl7Client:
    return Hl7HttpClient(
        receiver.url, timeout=receiver.timeout_seconds, tls=receiver.tls, user=receiver.user,
        password=receiver.password.get_secret_value(), token=receiver.token.get_secret_value(),
    )  # fmt: skip


KINDS: dict[str, Callable[[Any], Hl7Client]] = {"mllp": _mllp, "http": _http}


def open_destination(destination: Destination) -> Hl7Client:
    """A client for the destination; it connects when there is something to send.

    Raises:
        ConfigError: a certificate or key cannot be read.
    """
    return KINDS[destination.kind](destination)

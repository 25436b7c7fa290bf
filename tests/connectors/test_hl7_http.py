"""The HTTP client against a receiver that accepts, refuses, or answers something that is no ACK."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from radflow.connectors.hl7_http import Hl7HttpClient, HttpRefused
from radflow.connectors.mllp import MllpRefused, MllpUnavailable
from radflow.settings import LOOPBACK
from tests.hl7_builders import an_oru

SECOND = 5.0
AA = b"MSH|^~\\&|\rMSA|AA|R1\r"
AE = b"MSH|^~\\&|\rMSA|AE|R1\rERR||PID^1^3|101\r"
BUSY = b"MSH|^~\\&|\rMSA|AE|R1\rERR|||207\r"


class Receiver(ThreadingHTTPServer):
    """Answers what it is told to, and keeps what it gets."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.answer: tuple[int, str, bytes] = (200, "application/hl7-v2", AA)
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.connections: set[int] = set()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}/hl7"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        self.server.connections.add(self.client_address[1])
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((dict(self.headers), body))
        status, kind, answer = self.server.answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield running
        running.shutdown()


def test_messages_go_over_one_connection(receiver: Receiver) -> None:
    """With media type and character set; the ACK comes back."""
    with Hl7HttpClient(receiver.url, timeout=SECOND) as client:
        assert [client.send(an_oru("R1")).code for _ in range(3)] == ["AA"] * 3
    assert len(receiver.connections) == 1
    headers, body = receiver.heard[0]
    assert (headers["Content-Type"], body) == ("application/hl7-v2; charset=utf-8", an_oru("R1"))


def test_the_character_set_of_the_message(receiver: Receiver) -> None:
    """MSH-18 tells it."""
    with Hl7HttpClient(receiver.url, timeout=SECOND) as client:
        client.send(an_oru("R1", msh_18="8859/1"))
    assert receiver.heard[0][0]["Content-Type"] == "application/hl7-v2; charset=iso-8859-1"


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_refusal(receiver: Receiver, status: int) -> None:
    """Whatever the status: HAPI's servers answer AR with 400 and AE with 500."""
    receiver.answer = (status, "application/hl7-v2+er7; charset=utf-8", AE)
    with (
        Hl7HttpClient(receiver.url, timeout=SECOND) as client,
        pytest.raises(MllpRefused, match="AE, error 101"),
    ):
        client.send(an_oru("R1"))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((500, "application/hl7-v2", BUSY), MllpUnavailable),
        ((200, "application/hl7-v2", b"nonsense"), MllpUnavailable),
        ((200, "text/html", b"<html>"), MllpUnavailable),
        ((503, "text/plain", b""), MllpUnavailable),
        ((401, "text/plain", b""), MllpUnavailable),
        ((413, "text/plain", b""), HttpRefused),
        ((415, "text/plain", b""), HttpRefused),
    ],
)
def test_what_is_no_ack(receiver: Receiver, answer: tuple[int, str, bytes], error: type[Exception]) -> None:
    """Tried again, unless the status speaks of the message."""
    receiver.answer = answer
    with Hl7HttpClient(receiver.url, timeout=SECOND) as client, pytest.raises(error):
        client.send(an_oru("R1"))


def test_who_we_are(receiver: Receiver) -> None:
    """Basic or bearer authentication."""
    for credentials in ({"user": "radflow", "password": "geheim"}, {"token": "t0ken"}):
        with Hl7HttpClient(receiver.url, timeout=SECOND, **credentials) as client:  # type: ignore[arg-type]
            client.send(an_oru("R1"))
    assert [headers["Authorization"] for headers, _ in receiver.heard] == [
        "Basic cmFkZmxvdzpnZWhlaW0=", "Bearer t0ken",
    ]  # fmt: skip


def test_nobody_is_there(receiver: Receiver) -> None:
    """Connection refused."""
    with Receiver() as gone:
        url = gone.url
    with (
        Hl7HttpClient(url, timeout=SECOND) as client,
        pytest.raises(MllpUnavailable, match="cannot be reached"),
    ):
        client.send(an_oru("R1"))

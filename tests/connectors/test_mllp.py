"""MLLP: the frame, and the client against a receiver that behaves, refuses, stays silent or goes away."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hl7apy.mllp import AbstractHandler, MLLPServer
from hypothesis import given
from hypothesis import strategies as st

from radflow.connectors.mllp import AsyncMllpClient, FakeReceiver, MllpClient, MllpRefused, MllpUnavailable
from radflow.connectors.mllp_framing import CUT_OFF, TOO_LONG, UNFRAMED, Deframer, Frame, frame
from radflow.settings import LOOPBACK
from tests.hl7_builders import an_oru

SECOND = 5.0


def frames(*packets: bytes, max_bytes: int = 1000) -> list[tuple[bytes, str]]:
    deframer = Deframer(max_bytes)
    found = [one for packet in packets for one in deframer.feed(packet)]
    left = deframer.close()
    return [(one.data, one.trouble) for one in [*found, *([left] if left else [])]]


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (b"", []),
        (b"\x0bA\x1c\r", [(b"A", "")]),
        (b"\x0bA\x1c\r\x0bB\x1c\r", [(b"A", ""), (b"B", "")]),
        (b"\r\n\x0bA\x1c\n \x0bB\x1c", [(b"A", ""), (b"B", "")]),
        (b"\x0bA", [(b"A", CUT_OFF)]),
        (b"\x0bA\x0bB\x1c\r", [(b"A", CUT_OFF), (b"B", "")]),
        (b"junk\x0bA\x1c\r", [(b"junk", UNFRAMED), (b"A", "")]),
        (b"\x0bA\x1cjunk", [(b"A", ""), (b"junk", UNFRAMED)]),
        (b"\x0b" + b"A" * 1001 + b"\x1c\r\x0bB\x1c\r", [(b"A" * 1001, TOO_LONG), (b"B", "")]),
        (b"\x0b\x1c\r", []),
    ],
)
def test_frames(sent: bytes, found: list[tuple[bytes, str]]) -> None:
    """What is complete, what is not, and what stands between frames."""
    assert frames(sent) == found


@given(st.lists(st.binary(min_size=1, max_size=20).filter(bytes.strip)), st.lists(st.integers(1, 9)))
def test_packets_do_not_matter(messages: list[bytes], sizes: list[int]) -> None:
    """Split or coalesced, the same frames come out."""
    messages = [message.replace(b"\x0b", b".").replace(b"\x1c", b".") for message in messages]
    stream = b"".join(map(frame, messages))
    packets = []
    for size in [*sizes, len(stream)]:
        packets.append(stream[:size])
        stream = stream[size:]
    assert [data for data, _ in frames(*packets)] == messages


@given(st.lists(st.binary(max_size=50)))
def test_no_frame_is_longer_than_allowed(packets: list[bytes]) -> None:
    """Nor does the buffer grow beyond it."""
    deframer = Deframer(64)
    for packet in packets:
        assert all(one.trouble or len(one.data) <= 64 for one in deframer.feed(packet))


def test_a_frame_is_a_value() -> None:
    """It compares by content."""
    assert Deframer(10).feed(frame(b"A")) == [Frame(b"A")]


@pytest.fixture
def receiver() -> Iterator[FakeReceiver]:
    with FakeReceiver() as running:
        yield running


@pytest.fixture
def client(receiver: FakeReceiver) -> Iterator[MllpClient]:
    with MllpClient(LOOPBACK, receiver.port, timeout=SECOND) as opened:
        yield opened


def test_messages_go_over_one_connection(receiver: FakeReceiver, client: MllpClient) -> None:
    """Each is answered before the next is sent."""
    sent = [an_oru(f"R{number}") for number in range(3)]
    assert [client.send(message).control_id for message in sent] == ["R0", "R1", "R2"]
    assert receiver.messages == sent


@pytest.mark.parametrize("code", ["AE", "AR"])
def test_a_refusal_names_code_and_place_only(receiver: FakeReceiver, client: MllpClient, code: str) -> None:
    """The receiver's own words may quote a patient: they stay in `ack.text`."""
    receiver.answer = code
    with pytest.raises(MllpRefused, match=f"answers {code}, error 103 at ") as error:
        client.send(an_oru())
    assert error.value.ack.text == "The fake was told to refuse."
    assert error.value.ack.text not in str(error.value)


def test_after_a_refusal_the_connection_is_good(receiver: FakeReceiver, client: MllpClient) -> None:
    """A no is an answer."""
    receiver.answer = "AE"
    with pytest.raises(MllpRefused):
        client.send(an_oru("R1"))
    receiver.answer = "AA"
    assert client.send(an_oru("R2")).code == "AA"


def test_silence_ends_in_time(receiver: FakeReceiver) -> None:
    """And a late answer is not taken for the next one: the next message gets a new connection."""
    receiver.answer = None
    client = MllpClient(LOOPBACK, receiver.port, timeout=0.2)
    with pytest.raises(MllpUnavailable, match="in time"):
        client.send(an_oru("R1"))
    receiver.answer = "AA"
    assert client.send(an_oru("R2")).control_id == "R2"
    client.close()


def test_nobody_is_there() -> None:
    """Connection refused."""
    with FakeReceiver() as gone:
        port = gone.port
    with pytest.raises(MllpUnavailable, match="cannot be reached"):
        MllpClient(LOOPBACK, port, timeout=SECOND).send(an_oru())


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A receiver that answers every connection's first message with these bytes, then closes."""
    with socket.create_server((LOOPBACK, 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        # Wakes `accept`, which would otherwise go on blocking on the closed socket.
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed the connection"),
        (b"\x0bMSH|^~", "closed the connection"),
        (b"\x0bnonsense\x1c\r", "cannot be read"),
        (b"\x0bMSH|^~\\&|\rMSA|AA|ANOTHER\x1c\r", "another message"),
        (b"\x0bMSH|^~\\&|\rMSA|??|R1\x1c\r", "no acknowledgment code"),
        (b"\x0bMSH|^~\\&|\rMSA|AE|R1\rERR||PID^1^3|207\x1c\r", "AE, error 207"),
    ],
)
def test_what_is_no_answer_is_tried_again(answer: bytes, reason: str) -> None:
    """Among it AE with 207: the receiver is in trouble itself, as we are when our store is away."""
    with answering(answer) as port, pytest.raises(MllpUnavailable, match=reason):
        MllpClient(LOOPBACK, port, timeout=SECOND).send(an_oru("R1"))


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_accept_acknowledgments_count(code: str) -> None:
    """Enhanced mode answers CA."""
    with answering(f"\x0bMSH|^~\\&|\rMSA|{code}|R1\x1c\r".encode()) as port:
        assert MllpClient(LOOPBACK, port, timeout=SECOND).send(an_oru("R1")).code == code


def test_a_receiver_that_closes_after_each_message() -> None:
    """hl7apy's server does: the client connects anew."""

    class Handler(AbstractHandler):  # type: ignore[misc]
        def reply(self) -> str:
            control_id = self.incoming_message.split("\r")[0].split("|")[9]
            return f"\x0bMSH|^~\\&|\rMSA|AA|{control_id}\r\x1c\r"

    server = MLLPServer(LOOPBACK, 0, {"ORU^R01^ORU_R01": (Handler,)})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with MllpClient(LOOPBACK, server.server_address[1], timeout=SECOND) as client:
            answers = [client.send(an_oru(f"R{number}")).control_id for number in range(3)]
        assert answers == ["R0", "R1", "R2"]
    finally:
        server.shutdown()
        server.server_close()


def test_the_async_client(receiver: FakeReceiver) -> None:
    """The same answers and errors, for asyncio."""

    async def talk() -> None:
        client = await AsyncMllpClient.connect(LOOPBACK, receiver.port, seconds=0.3)
        assert (await client.send(an_oru("R1"))).control_id == "R1"
        receiver.answer = "AR"
        with pytest.raises(MllpRefused):
            await client.send(an_oru("R2"))
        receiver.answer = None
        with pytest.raises(MllpUnavailable, match="in time"):
            await client.send(an_oru("R3"))
        await client.close()

    asyncio.run(talk())


def test_sending_is_quick(receiver: FakeReceiver, client: MllpClient) -> None:
    """No delayed acknowledgement of TCP stands between two messages (88 ms each with Nagle's algorithm)."""
    start = time.monotonic()
    for number in range(50):
        client.send(an_oru(f"R{number}"))
    assert time.monotonic() - start < 2

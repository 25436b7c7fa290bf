"""A slow, broken or greedy peer costs its own connection at most."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radflow.connectors.mllp import MllpClient, MllpRefused, MllpUnavailable
from radflow.connectors.mllp_framing import CUT_OFF, Deframer, frame
from radflow.settings import LOOPBACK
from radflow.store.engine import Store
from tests.hl7_builders import an_orm, an_oru
from tests.listening import BOUND, a_site, codes, connection, eventually, listening, stored, talk


def test_too_many_connections(store: Store, now: datetime) -> None:
    """One more than allowed is closed; the others go on."""
    site = a_site(max_connections=1)
    with listening(store, now, site) as port, MllpClient(LOOPBACK, port, timeout=BOUND) as client:
        client.send(an_orm("M1"))
        with pytest.raises(MllpUnavailable):
            MllpClient(LOOPBACK, port, timeout=BOUND).send(an_orm("M2"))
        assert client.send(an_orm("M3")).code == "AA"


def test_too_many_connections_of_one_peer(store: Store, now: datetime) -> None:
    """One address cannot take what is there for all; when it lets go of one, it may open another."""
    with listening(store, now, a_site(max_connections_per_peer=2)) as port:
        greedy = [MllpClient(LOOPBACK, port, timeout=BOUND) for _ in range(2)]
        assert [client.send(an_orm("M1")).code for client in greedy] == ["AA"] * 2
        with pytest.raises(MllpUnavailable):
            MllpClient(LOOPBACK, port, timeout=BOUND).send(an_orm("M2"))
        with socket.create_connection((LOOPBACK, port), BOUND, source_address=("127.0.0.2", 0)) as other:
            other.sendall(frame(an_orm("M3")))
            assert b"MSA|AA|M3" in other.recv(65536)
        greedy[0].close()
        eventually(lambda: is_served(port))
        greedy[1].close()


def is_served(port: int) -> bool:
    try:
        with MllpClient(LOOPBACK, port, timeout=BOUND) as client:
            return client.send(an_orm("M4")).code == "AA"
    except MllpUnavailable:
        return False


def test_an_idle_connection_is_closed(store: Store, now: datetime) -> None:
    """After the time that the settings allow."""
    with listening(store, now, a_site(idle_seconds=0.05)) as port, connection(port) as idle:
        assert idle.recv(1) == b""


def test_a_message_that_does_not_end(store: Store, now: datetime) -> None:
    """Byte by byte for ever: what has come by then is kept, and the connection closed."""
    half = an_orm("M1")[:100]
    with listening(store, now, a_site(frame_seconds=0.2)) as port, connection(port) as slow:
        slow.sendall(b"\x0b" + half)
        slow.settimeout(0.02)
        trickled = b""
        while is_open(slow):
            trickled += b"x"
            slow.sendall(b"x")
    eventually(lambda: bool(stored(store)))
    (row,) = stored(store)
    assert (row.state, row.reason) == ("quarantined", CUT_OFF)
    assert row.raw.startswith(half)
    assert len(row.raw) <= len(half + trickled)


def is_open(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False


def test_many_messages_that_end_are_no_slow_message(store: Store, now: datetime) -> None:
    """The limit is for each message, though there is always one begun."""
    with listening(store, now, a_site(frame_seconds=0.3)) as port, connection(port) as busy:
        busy.settimeout(BOUND)
        stream = b"".join(frame(an_orm(f"M{number}")) for number in range(40))
        answers, deframer = 0, Deframer(1_000_000)
        for start in range(0, len(stream), 500):
            busy.sendall(stream[start : start + 500])
            # Waiting for answers spreads the stream over more than the limit.
            if start % 5000 == 4500:
                answers += len(deframer.feed(busy.recv(65536)))
        while answers < 40:
            answers += len(deframer.feed(busy.recv(65536)))
    assert [row.control_id for row in stored(store)] == [f"M{number}" for number in range(40)]


def test_a_sender_that_takes_no_answers(store: Store, now: datetime) -> None:
    """It is cut off once its answers pile up; nothing that was read is lost, and others are served."""
    with listening(store, now, a_site(answer_seconds=0.3)) as port:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.settimeout(BOUND)
            deaf.connect((LOOPBACK, port))
            # The answers echo it all.
            flood = b"".join(frame(an_orm(f"M{number}", msh_3="A" * 60_000)) for number in range(1000))
            with pytest.raises((ConnectionError, TimeoutError)):
                deaf.sendall(flood)
        assert codes(talk(port, frame(an_orm("NEXT")))) == [("NEXT", "AA")]
    kept = [row.control_id for row in stored(store) if row.control_id != "NEXT" and not row.reason]
    assert kept == [f"M{number}" for number in range(len(kept))]


def test_the_answer_to_a_message_that_is_too_long(store: Store, now: datetime) -> None:
    """It arrives, though the sender is still sending: the connection is not torn down on it."""
    with listening(store, now, a_site()) as port, connection(port) as greedy:
        greedy.sendall(b"\x0b" + an_orm("M1") + b"x" * 150_000)
        for _ in range(20):
            greedy.sendall(b"x" * 10_000)
        assert b"MSA|AR|M1" in greedy.recv(65536)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Store]]:
    """A listener that waits for nothing longer than a fraction of a second."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('hasty') / 'store.db'}")
    store.migrate()
    when = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
    with listening(store, when, a_site(frame_seconds=0.2, idle_seconds=0.2)) as port:
        yield port, store
    store.close()


pieces = st.sampled_from(
    [
        b"\x0b", b"\x1c\r", b"\r", b"\n", b"MSH|^~\\&|", an_orm("M1"), frame(an_orm("M2")), an_oru("M3")[:80],
        b"|", b"\\X", b"FHS|^~\\&|\r", b"BHS|^~\\&|\rBTS|0\r", b"MSH|^~\\&|||||||ORM^O01|1|P|2.5|||AL|AL\r",
        b"\xef\xbb\xbf", b"\x16\x03\x01\x02", b"POST / HTTP/1.1\r\n",
    ]
)  # fmt: skip
packets = st.lists(st.one_of(st.binary(min_size=1, max_size=50), pieces), max_size=8)
lenient = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@lenient
@given(packets=packets, says_the_end=st.booleans())
def test_whatever_bytes_come(hasty: tuple[int, Store], packets: list[bytes], says_the_end: bool) -> None:
    """Answers and a closed connection in bounded time, all of it is kept, and the next sender is served."""
    port, store = hasty
    before = sum(row.copies for row in stored(store))
    answers = heard(port, packets, says_the_end)
    assert all(code in {b"AA", b"AE", b"AR", b"CA", b"CE", b"CR"} for code in answers)
    kept = sum(row.copies for row in stored(store)) - before
    assert kept >= len(expected(packets))
    with MllpClient(LOOPBACK, port, timeout=BOUND) as client:
        try:
            assert client.send(an_orm("ALIVE")).code == "AA"
        except MllpRefused as error:
            pytest.fail(str(error))


def expected(packets: list[bytes]) -> list[bytes]:
    """What is in the stream up to the first thing that is no MLLP."""
    found = []
    for one in Deframer(100_000).feed(b"".join(packets)):
        if one.trouble not in ("", CUT_OFF):
            break
        if not one.trouble and b"HS" not in one.data:
            found.append(one.data)
    return found


def heard(port: int, packets: list[bytes], says_the_end: bool) -> list[bytes]:
    """MSA-1 of each answer, until the listener closes."""
    received = b""
    with connection(port) as sender:
        try:
            for packet in packets:
                sender.sendall(packet)
            if says_the_end:
                sender.shutdown(socket.SHUT_WR)
            while data := sender.recv(65536):
                received += data
        except ConnectionError:
            pass
    lines = received.replace(b"\x0b", b"\r").split(b"\r")
    return [line[4:6] for line in lines if line.startswith(b"MSA")]


@lenient
@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_packets_change_nothing(hasty: tuple[int, Store], sizes: list[int]) -> None:
    """Split or coalesced anywhere, the same messages are answered in the same way."""
    port, _ = hasty
    stream = frame(an_orm("P1")) + frame(an_oru("P2")) + frame(an_orm("P3", changes={"PID": {3: ""}}))
    cut = []
    for size in [*sizes, len(stream)]:
        cut.append(stream[:size])
        stream = stream[size:]
    assert codes(talk(port, *filter(None, cut))) == [("P1", "AA"), ("P2", "AA"), ("P3", "AE")]

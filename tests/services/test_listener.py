"""The MLLP listener over real sockets: nothing is acknowledged that is not stored."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import hl7.client
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from mappings.hl7.reader import Hl7Message
from radflow.connectors.mllp import AsyncMllpClient, MllpClient, MllpRefused, MllpUnavailable
from radflow.connectors.mllp_framing import CUT_OFF, TOO_LONG, UNFRAMED, Deframer, frame
from radflow.services.listener import serve
from radflow.settings import LOOPBACK, Listener, Site
from radflow.store import messages
from radflow.store.engine import Store
from radflow.store.tables import Message
from tests import peers
from tests.hl7_builders import an_orm, an_oru, message, order_named

SAMPLES = sorted((peers.SAMPLES / "hl7").glob("*.hl7"))
SITE = Site(name="main", listener=Listener(port=0, max_message_bytes=100_000, max_connections=60))
BOUND = 10.0
"""Seconds within which anything has to happen."""


@contextmanager
def listening(store: Store, now: datetime, site: Site = SITE) -> Iterator[int]:
    """The listener in a thread of its own; stops cleanly at the end."""
    ports: dict[str, int] = {}
    ready = threading.Event()
    loop = asyncio.new_event_loop()

    def started(found: dict[str, int]) -> None:
        ports.update(found)
        ready.set()

    async def run() -> None:
        await serve([site], store, clock=lambda: now, started=started)

    task = loop.create_task(run())

    def live() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    thread = threading.Thread(target=live)
    thread.start()
    assert ready.wait(BOUND)
    try:
        yield ports[site.name]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(2 * BOUND)
        assert not thread.is_alive()


@pytest.fixture
def port(store: Store, now: datetime) -> Iterator[int]:
    with listening(store, now) as found:
        yield found


def talk(port: int, *packets: bytes, answers: int | None = None) -> list[Hl7Message]:
    """Send packets, say that nothing more comes, and read the answers until the listener closes."""
    deframer = Deframer(1_000_000)
    found: list[Hl7Message] = []
    with socket.create_connection((LOOPBACK, port), BOUND) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for packet in packets:
            connection.sendall(packet)
        if answers is None:
            connection.shutdown(socket.SHUT_WR)
        while len(found) != answers and (data := connection.recv(65536)):
            found += [Hl7Message(one.data) for one in deframer.feed(data)]
    return found


def codes(answers: Sequence[Hl7Message]) -> list[tuple[str, str]]:
    return [(answer.get("MSA-2"), answer.get("MSA-1")) for answer in answers]


def stored(store: Store) -> list[Message]:
    with store.read() as session:
        return list(reversed(messages.search(session, limit=1000)))


def eventually(true: Callable[[], bool]) -> None:
    until = time.monotonic() + BOUND
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_is_acknowledged_is_stored(store: Store, port: int, now: datetime) -> None:
    """The bytes as they came, with what the header says."""
    raw = an_orm("M1")
    with MllpClient(LOOPBACK, port, timeout=BOUND) as client:
        assert client.send(raw).code == "AA"
    (row,) = stored(store)
    assert (row.raw, row.state, row.ack_code, row.control_id) == (raw, "received", "AA", "M1")
    assert (row.sender, row.message_type, row.version, row.received_at) == (
        "EHR|HOSPITAL", "ORM^O01", "2.5.1", now,
    )  # fmt: skip


def test_a_connection_stays_open_and_may_send_ahead(store: Store, port: int) -> None:
    """Many messages at once are answered in their order."""
    sent = [an_orm(f"M{number}") for number in range(300)]
    answers = talk(port, b"".join(map(frame, sent)), answers=300)
    assert codes(answers) == [(f"M{number}", "AA") for number in range(300)]
    assert [row.raw for row in stored(store)] == sent


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_packets_do_not_matter(store: Store, port: int, size: int) -> None:
    """Split anywhere, the same messages come in."""
    stream = frame(an_orm("M1")) + frame(an_oru("M2"))
    packets = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert codes(talk(port, *packets)) == [("M1", "AA"), ("M2", "AA")]
    assert len(stored(store)) == 2


def test_a_duplicate_is_acknowledged_and_counted(store: Store, port: int) -> None:
    """After a lost ACK the sender sends again; MSH-10 alone does not make a duplicate."""
    same, other = an_orm("M1"), an_orm("M1", changes=order_named("P2"))
    assert codes(talk(port, frame(same), frame(same), frame(other))) == [("M1", "AA")] * 3
    assert [row.copies for row in stored(store)] == [2, 1]


@pytest.mark.parametrize(
    ("raw", "code", "error", "location"),
    [
        (b"This is not HL7.", "AR", "100", "MSH"),
        (message("ADT^A01", "M1"), "AR", "200", "MSH"),
        (message("ORU^R03", "M1"), "AR", "201", "MSH"),
        (an_orm("M1", msh_12="9.9"), "AR", "203", "MSH"),
        (an_orm("M1", changes={"ORC": {2: ""}, "OBR": {2: ""}}), "AE", "101", "ORC"),
        (an_orm("M1", changes={"PID": {3: ""}}), "AE", "101", "PID"),
        (an_orm("M1", msh_18="KLINGON"), "AR", "103", "MSH"),
    ],
)
def test_what_cannot_be_taken_is_kept_with_the_reason(
    store: Store, port: int, raw: bytes, code: str, error: str, location: str
) -> None:
    """AE or AR with an ERR segment that names the place; the message lies in quarantine."""
    (answer,) = talk(port, frame(raw))
    assert [answer.get(path) for path in ("MSA-1", "ERR-3", "ERR-2")] == [code, error, location]
    (row,) = stored(store)
    assert (row.raw, row.state, row.ack_code) == (raw, "quarantined", code)
    assert row.reason == answer.get("ERR-8")


def test_a_message_that_is_cut_off(store: Store, port: int) -> None:
    """By the end of the connection, or by the next message: no answer, and kept in quarantine."""
    whole, half = an_orm("M2"), an_orm("M1")[:100]
    assert codes(talk(port, b"\x0b" + half + frame(whole) + b"\x0b" + half[:90])) == [("M2", "AA")]
    eventually(lambda: len(stored(store)) == 3)
    assert sorted((row.raw, row.state, row.reason) for row in stored(store)) == sorted(
        [
            (half, "quarantined", CUT_OFF),
            (whole, "received", ""),
            (half[:90], "quarantined", CUT_OFF),
        ]
    )


def test_a_message_that_is_too_long(store: Store, port: int) -> None:
    """Its head is kept, to see who sent it; the connection ends."""
    answers = talk(port, b"\x0b" + an_orm("M1") + b"x" * 200_000, answers=1)
    assert codes(answers) == [("M1", "AR")]
    (row,) = stored(store)
    assert (row.state, row.reason, row.control_id) == ("quarantined", TOO_LONG, "M1")


def test_a_peer_that_speaks_no_mllp(store: Store, port: int) -> None:
    """HL7 without a frame, or HTTP: answered AR, kept, and the connection is closed."""
    for number, raw in enumerate((an_orm("M1"), b"GET / HTTP/1.1\r\n\r\n"), start=1):
        (answer,) = talk(port, raw)
        assert answer.get("MSA-1") == "AR"
        assert len(stored(store)) == number
    assert {row.reason for row in stored(store)} == {UNFRAMED}


def test_without_the_store_nothing_is_acknowledged(store: Store, port: int) -> None:
    """AE with 207, so that the sender keeps the message; when the store is back, it is taken."""
    with pytest.MonkeyPatch.context() as patch, MllpClient(LOOPBACK, port, timeout=BOUND) as client:

        def away(*_: object) -> None:
            raise OperationalError("INSERT", {}, Exception("down"))

        patch.setattr(messages, "keep", away)
        with pytest.raises(MllpUnavailable, match="AE, error 207"):
            client.send(an_orm("M1"))
        patch.undo()
        assert client.send(an_orm("M1")).code == "AA"
    assert [row.copies for row in stored(store)] == [1]


def test_one_message_that_cannot_be_written_does_not_hurt_the_others(store: Store, port: int) -> None:
    """Those that were to be committed together with it are committed one by one."""
    keep = messages.keep
    with pytest.MonkeyPatch.context() as patch:

        def picky(session: object, batch: Sequence[messages.Arrival]) -> None:
            if any(one.control_id == "M3" for one in batch):
                raise ValueError
            keep(session, batch)  # type: ignore[arg-type]

        patch.setattr(messages, "keep", picky)
        answers = talk(port, b"".join(frame(an_orm(f"M{number}")) for number in range(6)))
    refused = [control_id for control_id, code in codes(answers) if code != "AA"]
    assert refused == ["M3"]
    assert len(stored(store)) == 5


def test_header_fields_that_no_column_takes(store: Store, port: int) -> None:
    """Long, or with bytes that PostgreSQL has no text for: kept all the same."""
    raw = an_orm("M1" * 2000, msh_3=r"E\X00\HR")
    assert [code for _, code in codes(talk(port, frame(raw)))] == ["AA"]
    assert [row.raw for row in stored(store)] == [raw]


def test_too_many_connections(store: Store, now: datetime) -> None:
    """One more than allowed is closed; the others go on."""
    site = SITE.model_copy(update={"listener": Listener(port=0, max_connections=1)})
    with listening(store, now, site) as port, MllpClient(LOOPBACK, port, timeout=BOUND) as client:
        client.send(an_orm("M1"))
        with pytest.raises(MllpUnavailable):
            MllpClient(LOOPBACK, port, timeout=BOUND).send(an_orm("M2"))
        assert client.send(an_orm("M3")).code == "AA"


def test_an_idle_connection_is_closed(store: Store, now: datetime) -> None:
    """After the time that the settings allow."""
    site = SITE.model_copy(update={"listener": Listener(port=0, idle_seconds=0.05)})
    with listening(store, now, site) as port, socket.create_connection((LOOPBACK, port), BOUND) as idle:
        assert idle.recv(1) == b""


def test_many_senders(store: Store, port: int) -> None:
    """Fifty connections at once: every message is stored once, and answered to its own sender."""

    async def sender(number: int) -> list[str]:
        client = await AsyncMllpClient.connect(LOOPBACK, port, seconds=30)
        answers = [await client.send(an_orm(f"M{number}-{count}")) for count in range(10)]
        await client.close()
        return [answer.code for answer in answers]

    async def all_senders() -> list[list[str]]:
        return await asyncio.gather(*(sender(number) for number in range(50)))

    assert asyncio.run(all_senders()) == [["AA"] * 10] * 50
    assert {row.copies for row in stored(store)} == {1}
    assert len(stored(store)) == 500


def test_it_stops_when_told(store: Store, now: datetime) -> None:
    """What was acknowledged is there; open connections are closed."""
    with listening(store, now) as port:
        connection = socket.create_connection((LOOPBACK, port), BOUND)
        connection.sendall(frame(an_orm("M1")))
        assert b"MSA|AA|M1" in connection.recv(65536)
    assert connection.recv(1) == b""
    connection.close()
    assert len(stored(store)) == 1


def test_python_hl7_talks_to_it(store: Store, port: int) -> None:
    """A client that we did not write."""
    with hl7.client.MLLPClient(LOOPBACK, port) as client:
        answers = [client.send_message(an_orm(f"M{number}").decode()) for number in range(3)]
    found = [hl7.parse(answer.decode().strip("\x0b\x1c\r")).segment("MSA") for answer in answers]
    assert [(str(msa[1]), str(msa[2])) for msa in found] == [("AA", "M0"), ("AA", "M1"), ("AA", "M2")]


def test_hl7apy_reads_the_answers(port: int) -> None:
    """ACK^O01^ACK is a valid message of its version."""
    from hl7apy.parser import parse_message

    for raw in (an_orm("M1"), an_orm("M2", changes={"PID": {3: ""}})):
        with socket.create_connection((LOOPBACK, port), BOUND) as connection:
            connection.sendall(frame(raw))
            answer = connection.recv(65536).strip(b"\x0b\x1c\r").decode()
        assert parse_message(answer).validate()


@pytest.mark.skipif(not SAMPLES, reason="the samples folder is absent")
@pytest.mark.parametrize("file", SAMPLES, ids=[file.stem for file in SAMPLES])
def test_other_peoples_messages(store: Store, port: int, file: Path) -> None:
    """ORM and ORU are taken, all else is refused by type, version or for having no MSH; all is kept."""
    raw = file.read_bytes()
    (answer,) = talk(port, frame(raw))
    kind = raw.split(raw[3:4])[8][:3] if raw.startswith(b"MSH") else b""
    if kind in (b"ORM", b"ORU"):
        assert answer.get("MSA-1") == "AA"
    else:
        assert answer.get("MSA-1") == "AR"
        # Before v2.5 the code is in ERR-1.
        assert (answer.get("ERR-3") or answer.get("ERR-1.4")) in {"200", "201", "100"}
    assert [row.raw for row in stored(store)] == [raw]


pieces = st.sampled_from(
    [
        b"\x0b",
        b"\x1c\r",
        b"\r",
        b"MSH|^~\\&|",
        an_orm("M1"),
        frame(an_orm("M2")),
        an_oru("M3")[:80],
        b"|",
        b"\\X",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(packets=st.lists(st.one_of(st.binary(min_size=1, max_size=50), pieces), max_size=8))
def test_whatever_bytes_come_the_listener_lives(port: int, packets: list[bytes]) -> None:
    """An answer or a closed connection within bounded time, and the next sender is served."""
    try:
        answers = talk(port, *packets)
    except ConnectionError:
        answers = []
    assert all(answer.get("MSA-1") in {"AA", "AE", "AR"} for answer in answers)
    with MllpClient(LOOPBACK, port, timeout=BOUND) as client:
        try:
            assert client.send(an_orm("ALIVE")).code == "AA"
        except MllpRefused as error:
            pytest.fail(str(error))

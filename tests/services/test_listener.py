"""The MLLP listener over real sockets: nothing is acknowledged that is not stored."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from mappings.hl7.acceptance import judge
from mappings.hl7.ack_modes import acknowledgments
from radflow.connectors.mllp import AsyncMllpClient, MllpClient, MllpUnavailable
from radflow.connectors.mllp_framing import CUT_OFF, TOO_LONG, UNFRAMED, frame
from radflow.settings import LOOPBACK
from radflow.store import messages
from radflow.store.control_ids import Kept
from radflow.store.engine import Store
from tests import peers
from tests.hl7_builders import an_orm, an_oru, message
from tests.listening import BOUND, a_site, codes, eventually, listening, stored, talk

SAMPLES = sorted((peers.SAMPLES / "hl7").glob("*.hl7"))


@pytest.fixture
def port(store: Store, now: datetime) -> Iterator[int]:
    with listening(store, now, a_site()) as found:
        yield found


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


@pytest.mark.parametrize(
    ("raw", "code", "error", "location"),
    [
        (b"This is not HL7.", "AR", "100", "MSH"),
        (message("RDE^O11", "M1"), "AR", "200", "MSH"),
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

        def picky(session: object, batch: Sequence[messages.Arrival]) -> list[Kept]:
            if any(one.control_id == "M3" for one in batch):
                raise ValueError
            return keep(session, batch)  # type: ignore[arg-type]

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
    with listening(store, now, a_site()) as port:
        connection = socket.create_connection((LOOPBACK, port), BOUND)
        connection.sendall(frame(an_orm("M1")))
        assert b"MSA|AA|M1" in connection.recv(65536)
    assert connection.recv(1) == b""
    connection.close()
    assert len(stored(store)) == 1


@pytest.mark.skipif(not SAMPLES, reason="the samples folder is absent")
@pytest.mark.parametrize("file", SAMPLES, ids=[file.stem for file in SAMPLES])
def test_other_peoples_messages(store: Store, port: int, file: Path) -> None:
    """Each is kept as it came, and answered as the mappings judge it."""
    raw = file.read_bytes()
    verdict = judge(raw)
    answers = talk(port, frame(raw))
    wanted = acknowledgments(verdict.message, verdict.refusal)
    assert [answer.get("MSA-1") for answer in answers] == [one.code for one in wanted]
    if verdict.refusal:
        answer = answers[-1]
        # Before v2.5 the code is in ERR-1.
        assert (answer.get("ERR-3") or answer.get("ERR-1.4")) == str(verdict.refusal.code.value)
    assert [row.raw for row in stored(store)] == [raw]

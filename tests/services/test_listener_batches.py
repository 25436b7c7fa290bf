"""Batches over a real socket: each message is kept and answered, in one batch of answers."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from hl7 import parse_batch, parse_file

from mappings.hl7.reader import Hl7Message
from radflow.connectors.mllp_framing import frame
from radflow.store.engine import Store
from tests.hl7_builders import an_orm, an_oru, order_named
from tests.listening import a_site, codes, frames_heard, listening, stored, talk

FHS = b"FHS|^~\\&|EHR|HOSPITAL|RADFLOW|RAD|20261124080000||||F1\r"
BHS = b"BHS|^~\\&|EHR|HOSPITAL|RADFLOW|RAD|20261124080000||||B%d\r"


@pytest.fixture
def port(store: Store, now: datetime) -> Iterator[int]:
    with listening(store, now, a_site()) as found:
        yield found


def a_batch(number: int, *messages: bytes) -> bytes:
    return BHS % number + b"".join(messages) + b"BTS|%d\r" % len(messages)


def test_a_batch(store: Store, port: int) -> None:
    """Messages with their own fates; the answer refers to the batch, and another library reads it."""
    messages = [an_orm("M1"), an_orm("M2", changes={"PID": {3: ""}}), an_oru("M3"), an_orm("M1")]
    (answer,) = frames_heard(port, frame(a_batch(7, *messages)))
    found = parse_batch(answer.decode())
    assert [(str(ack.segment("MSA")[2]), str(ack.segment("MSA")[1])) for ack in found] == [
        ("M1", "AA"), ("M2", "AE"), ("M3", "AA"), ("M1", "AA"),
    ]  # fmt: skip
    lines = answer.decode().split("\r")
    assert lines[0].split("|")[2:6] == ["RADFLOW", "RAD", "EHR", "HOSPITAL"]
    assert lines[0].split("|")[11] == "B7"
    assert lines[-2:] == ["BTS|4", ""]
    assert [(row.raw, row.copies, row.state) for row in stored(store)] == [
        (messages[0], 2, "received"), (messages[1], 1, "quarantined"), (messages[2], 1, "received"),
    ]  # fmt: skip


def test_a_file_of_batches(store: Store, port: int) -> None:
    """FHS and FTS around, and a batch of answers for each batch."""
    orders = [an_orm(f"M{number}", changes=order_named(f"P{number}")) for number in range(3)]
    sent = FHS + a_batch(1, *orders[:2]) + a_batch(2, orders[2]) + b"FTS|2\r"
    (answer,) = frames_heard(port, frame(sent))
    found = parse_file(answer.decode())
    assert [[str(ack.segment("MSA")[2]) for ack in batch] for batch in found] == [["M0", "M1"], ["M2"]]
    segments = [line.split("|") for line in answer.decode().split("\r")]
    assert [(one[0], one[11]) for one in segments if one[0] in ("FHS", "BHS")] == [
        ("FHS", "F1"), ("BHS", "B1"), ("BHS", "B2"),
    ]  # fmt: skip
    assert segments[-2] == ["FTS", "2"]
    assert [row.raw for row in stored(store)] == orders


def test_a_batch_without_messages(store: Store, port: int) -> None:
    """Kept and refused: there is nothing to take in it."""
    (answer,) = frames_heard(port, frame(a_batch(1)))
    assert answer.startswith(b"BHS")
    assert b"\rMSA|AR|\rERR||MSH^1|100^" in answer
    (row,) = stored(store)
    assert (row.state, row.raw) == ("quarantined", a_batch(1))


def test_a_reused_control_id_in_a_batch(port: int) -> None:
    """Within one batch as anywhere."""
    sent = a_batch(1, an_orm("M1"), an_orm("M1", changes=order_named("P2")))
    (answer,) = frames_heard(port, frame(sent))
    assert answer.count(b"MSA|AA|M1") == 1
    assert answer.count(b"MSA|AE|M1") == 1


def test_two_messages_in_one_frame(store: Store, port: int) -> None:
    """Without an envelope each is answered in a frame of its own."""
    assert codes(talk(port, frame(an_orm("M1") + an_oru("M2")))) == [("M1", "AA"), ("M2", "AA")]
    assert [row.raw for row in stored(store)] == [an_orm("M1"), an_oru("M2")]


def test_a_broken_envelope(store: Store, port: int) -> None:
    """A message before the first BHS, none after the last, and delimiters that are none: all are answered."""
    sent = b"FHS\r" + an_orm("M1") + BHS % 1 + an_oru("M2")
    (answer,) = frames_heard(port, frame(sent))
    assert answer.startswith(b"FHS|^~\\&|")
    assert [Hl7Message(ack).get("MSA-2") for ack in acks(answer)] == ["M1", "M2"]
    assert len(stored(store)) == 2


def acks(answer: bytes) -> list[bytes]:
    return [b"MSH" + part.partition(b"\rB")[0] + b"\r" for part in answer.split(b"MSH")[1:]]


def test_many_messages_in_a_batch(store: Store, now: datetime) -> None:
    """More than one commit holds."""
    orders = [an_orm(f"M{number}") for number in range(700)]
    with listening(store, now, a_site(max_message_bytes=1_000_000)) as port:
        (answer,) = frames_heard(port, frame(a_batch(1, *orders)), answers=1)
    assert answer.count(b"MSA|AA|") == 700
    assert len(stored(store)) == 700

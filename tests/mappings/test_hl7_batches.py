"""Batches: the messages inside, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.hl7.batches import split
from tests.hl7_builders import an_adt, an_orm, an_oru

MESSAGES = [an_adt(control_id="A1"), an_orm("M1"), an_oru("R1")]


def in_batch(messages: list[bytes]) -> bytes:
    return b"".join(
        (b"FHS|^~\\&|EHR\r", b"BHS|^~\\&|EHR\r", *messages, b"BTS|%d\r" % len(messages), b"FTS|1\r")
    )


def test_a_plain_message_gives_itself() -> None:
    """Whatever it begins with: a byte order mark, blank lines, or no MSH at all."""
    for raw in (an_orm(), b"\xef\xbb\xbf" + an_orm(), b"\r\n" + an_orm(), b"junk\rMSH|no", b""):
        assert split(raw) == [raw]


def test_a_batch_gives_its_messages_in_order() -> None:
    """FHS, BHS, BTS and FTS are left out."""
    assert split(in_batch(MESSAGES)) == MESSAGES


def test_several_batches_in_a_file_and_no_trailers() -> None:
    """A file that was cut off still has its messages."""
    assert split(b"FHS|a\r" + b"BHS|b\r" + MESSAGES[0] + b"BTS|1\rBHS|c\r" + MESSAGES[1]) == MESSAGES[:2]


def test_two_messages_without_an_envelope_are_two() -> None:
    """Nothing of the second is read as a part of the first."""
    assert split(MESSAGES[0] + MESSAGES[1]) == MESSAGES[:2]


def test_an_empty_batch_has_none() -> None:
    """There is nothing to answer."""
    assert split(b"FHS|^~\\&\rBHS|^~\\&\rBTS|0\rFTS|1\r") == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_ends_of_files(end: bytes) -> None:
    """Batches come as files, and these from anywhere."""
    found = split(in_batch(MESSAGES).replace(b"\r", end))
    assert found == [message.replace(b"\r", end) for message in MESSAGES]


def test_what_stands_before_the_first_message_is_not_dropped() -> None:
    """It goes with the message, which is then refused with a reason."""
    assert split(b"BHS|x\rPID|1||4711\r" + MESSAGES[0]) == [b"PID|1||4711\r" + MESSAGES[0]]


@given(st.lists(st.sampled_from(MESSAGES), min_size=1, max_size=6))
def test_any_batch_is_taken_apart(messages: list[bytes]) -> None:
    """As many as there are, in order."""
    assert split(in_batch(messages)) == messages


@given(st.binary(max_size=200))
def test_nothing_is_lost_of_any_bytes(junk: bytes) -> None:
    """Without an envelope, what comes out is what went in."""
    raw = b"MSH|" + junk
    if not any(name in raw for name in (b"FHS", b"BHS", b"BTS", b"FTS")):
        assert b"".join(split(raw)) == raw

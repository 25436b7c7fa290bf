"""The answer to a batch: a batch of acknowledgments, in a file where a file came (v2.5.1 §2.10.3).

The acknowledgments stand in the order of the messages, grouped into batches as the messages were.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from mappings.hl7.errors import NotTakable
from mappings.hl7.reader import Hl7Message


def is_batch(raw: bytes) -> bool:
    """Whether this is a file (FHS) or a batch (BHS) of messages."""
    return raw.removeprefix(b"\xef\xbb\xbf").lstrip()[:3] in (b"FHS", b"BHS")


def acknowledge_batch(raw: bytes, answers: Sequence[bytes], *, control_id: str, now: datetime) -> bytes:
    """The answers as a batch, without its frame.

    Args:
        raw: the batch that is answered.
        answers: an ACK for each of its messages.
        control_id: FHS-11 and BHS-11 of the answer.
        now: a time in the site's zone.
    """
    file, batches = _envelopes(raw)
    left = iter(answers)
    found: list[bytes] = []
    for number, batch in enumerate(batches, start=1):
        # The last one takes all that is left: what a broken envelope does not account for is answered too.
        inside = list(left if number == len(batches) else islice(left, batch.messages))
        found += [_header("BHS", batch.header, control_id, now), *inside, b"BTS|%d\r" % len(inside)]
    if file:
        found = [_header("FHS", file, control_id, now), *found, b"FTS|%d\r" % len(batches)]
    return b"".join(found)


@dataclass
class _Batch:
    header: bytes
    messages: int = 0


def _envelopes(raw: bytes) -> tuple[bytes, list[_Batch]]:
    """FHS, empty where there is none, and each BHS; messages outside of any are a batch of their own."""
    file, batches = b"", list[_Batch]()
    for line in _lines(raw):
        if line.startswith(b"FHS"):
            file = file or line
        elif line.startswith(b"BHS"):
            batches.append(_Batch(line))
        elif line.startswith(b"MSH"):
            batches = batches or [_Batch(b"BHS" + file[3:])]
            batches[-1].messages += 1
    return file, batches


def _lines(raw: bytes) -> Iterator[bytes]:
    return (line for line in re.split(rb"[\r\n]+", raw.removeprefix(b"\xef\xbb\xbf").lstrip()) if line)


def _header(name: str, line: bytes, control_id: str, now: datetime) -> bytes:
    """FHS or BHS of the answer: sender and receiver change places, field 12 names what is answered."""
    try:
        # Delimiters, sender and receiver stand where MSH has them (§2.15.4, §2.15.2).
        sent = Hl7Message(b"MSH" + line[3:])
    except NotTakable:
        return f"{name}|^~\\&|||||{now:%Y%m%d%H%M%S%z}||||{control_id}\r".encode()
    d = sent.delimiters
    fields = (
        name, d.component + d.repetition + d.escape + d.subcomponent,
        *(sent.field(path).raw for path in ("MSH-5", "MSH-6", "MSH-3", "MSH-4")),
        f"{now:%Y%m%d%H%M%S%z}", "", "", "", control_id, sent.field("MSH-11").raw,
    )  # fmt: skip
    return d.field.join(fields).rstrip(d.field).encode(d.codec, errors="replace") + b"\r"

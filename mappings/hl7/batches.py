"""Batches: FHS, BHS, the messages, BTS, FTS (v2.5.1 §2.10.3)."""

import re

_ENVELOPE = (b"FHS", b"BHS", b"BTS", b"FTS")
_CR_LINE, _LF_LINE = re.compile(rb"[^\r]*\r\n?|[^\r]+"), re.compile(rb"[^\n]*\n|[^\n]+")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def split(raw: bytes) -> list[bytes]:
    """The messages inside, in order and byte for byte; a plain message gives itself.

    The envelope is optional: two messages in one frame are two messages. What a batch holds before its
    first MSH goes with that message, so that nothing is dropped unseen.

    Returns:
        Nothing for a batch that is empty.
    """
    begins = raw.removeprefix(_BYTE_ORDER_MARK).lstrip()
    if not begins.startswith((b"MSH", *_ENVELOPE)):
        return [raw]
    # LF ends a segment only where there is no CR (see the reader).
    line = _CR_LINE if b"\r" in raw.rstrip() else _LF_LINE
    messages: list[list[bytes]] = [[]]
    for segment in line.findall(begins):
        if segment.startswith(b"MSH") and any(known.startswith(b"MSH") for known in messages[-1]):
            messages.append([])
        if not segment.startswith(_ENVELOPE):
            messages[-1].append(segment)
    found = [b"".join(lines) for lines in messages]
    if len(found) == 1 and begins.startswith(b"MSH"):
        return [raw]
    return [message for message in found if message.strip()]

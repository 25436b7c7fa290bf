"""MLLP framing (HL7 v2.3.1 appendix C): `<VT> message <FS><CR>`. Knows no sockets and no HL7.

A frame ends at FS already; the CR behind it is one of the blanks that may stand between frames. So a
sender that leaves it out, or sends it later, is understood at once.
"""

from dataclasses import dataclass

START, END = 0x0B, 0x1C
"""VT and FS. Neither can be part of a message, in no character set that MLLP allows."""

_HEAD = 64 * 1024
"""So much is kept of a frame that is too long: enough to see who sent it."""

CUT_OFF = "The message was cut off: its frame does not end."
TOO_LONG = "The message is longer than this listener takes."
UNFRAMED = "What came is not in an MLLP frame."


@dataclass(frozen=True)
class Frame:
    """A message without its frame, or what there is of it, and what is wrong then."""

    data: bytes
    trouble: str = ""


def frame(message: bytes) -> bytes:
    """The message in its frame."""
    return b"\x0b" + message + b"\x1c\r"


class Deframer:
    """Takes bytes as they come, gives frames as they are complete."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._inside = False
        self._searched = 0

    @property
    def is_inside(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._inside

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete; what is between frames and not blank is a frame too."""
        self._buffer += data
        frames: list[Frame] = []
        while found := self._next():
            if found.data.strip():
                frames.append(found)
        return frames

    def close(self) -> Frame | None:
        """What was left unfinished when the connection ended."""
        left, inside = bytes(self._buffer), self._inside
        self._reset()
        return Frame(left, CUT_OFF) if inside else None

    def _next(self) -> Frame | None:
        return self._message() if self._inside else self._between()

    def _between(self) -> Frame | None:
        if not self._buffer:
            return None
        start = self._buffer.find(START)
        self._inside = start >= 0
        return Frame(self._take(start if self._inside else len(self._buffer))[:_HEAD], UNFRAMED)

    def _message(self) -> Frame | None:
        end = self._buffer.find(END, self._searched)
        start = self._buffer.find(START, self._searched, end if end >= 0 else len(self._buffer))
        if start >= 0:
            # A new frame where the old one should have ended: the sender has begun again.
            return Frame(self._take(start), CUT_OFF)
        if (end if end >= 0 else len(self._buffer)) > self._max_bytes:
            self._inside = False
            return Frame(self._take(end if end >= 0 else len(self._buffer))[:_HEAD], TOO_LONG)
        if end >= 0:
            self._inside = False
            return Frame(self._take(end))
        self._searched = len(self._buffer)
        return None

    def _take(self, length: int) -> bytes:
        """The bytes up to a delimiter, which is dropped with them."""
        taken = bytes(self._buffer[:length])
        del self._buffer[: length + 1]
        self._searched = 0
        return taken

    def _reset(self) -> None:
        self._buffer.clear()
        self._inside, self._searched = False, 0

"""ISO 2022: text that switches between character sets by escape sequences (DICOM PS3.3 C.12.1.1.2).

Python's codecs do this for Japanese, Korean or Chinese alone; a message may mix them, and Latin-1 with them.
"""

import re

_FRAGMENT = re.compile(rb"(\x1b[\x20-\x2f]+[\x30-\x7e])?([^\x1b]*)")

_ASCII = frozenset({b"\x1b(B", b"\x1b(J"})
"""Back to one byte a character on the left; JIS X 0201 differs in the yen sign alone."""
_LEFT = {b"\x1b$@": "iso2022_jp_ext", b"\x1b$B": "iso2022_jp_ext", b"\x1b$(D": "iso2022_jp_ext"}
"""G0, the left half: JIS X 0208 and 0212, which take the bytes of ASCII."""
_RIGHT = {
    b"\x1b-A": "iso8859_1", b"\x1b-B": "iso8859_2", b"\x1b-C": "iso8859_3", b"\x1b-D": "iso8859_4",
    b"\x1b-L": "iso8859_5", b"\x1b-G": "iso8859_6", b"\x1b-F": "iso8859_7", b"\x1b-H": "iso8859_8",
    b"\x1b-M": "iso8859_9", b"\x1b)I": "shift_jis", b"\x1b$)A": "gb2312", b"\x1b$)C": "euc_kr",
}  # fmt: skip
"""G1, the right half, beside ASCII on the left."""


def decode_switching(raw: bytes, default: str, delimiters: bytes) -> str:
    """The text, without its escape sequences.

    Args:
        default: the codec before the first escape sequence, and again after the end of a segment; where it
            has a right half of its own, also after a delimiter.

    Raises:
        UnicodeDecodeError: the bytes are not in the set that they are said to be in.
    """
    line_end = b"\r\n"
    ends_left = _before_any_of(line_end)
    ends_right = _before_any_of(line_end if default == "ascii" else line_end + delimiters)
    text: list[str] = []
    left, right = b"", default
    for sequence, content in _FRAGMENT.findall(raw):
        if sequence in _LEFT:
            left = sequence
        elif sequence:
            left = b""
            right = right if sequence in _ASCII else _right(sequence, raw)
        switched = (ends_left if left else ends_right).match(content)
        assert switched is not None
        own, rest = switched[0], content[switched.end() :]
        text.append((left + own).decode(_LEFT[left]) if left else own.decode(right))
        if rest:
            left, right = b"", default
            text.append(rest.decode(default))
    return "".join(text)


def _before_any_of(ends: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"[^%b]*" % re.escape(ends))


def _right(sequence: bytes, raw: bytes) -> str:
    if sequence not in _RIGHT:
        at = raw.index(sequence)
        raise UnicodeDecodeError("iso2022", raw, at, at + len(sequence), "no such set")
    return _RIGHT[sequence]

"""MSH-18, HL7 table 0211: the character set of a message as a Python codec."""

import re

from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.iso2022 import decode_switching

CODECS = {
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859_{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "UNICODE": "utf_8",
    "UNICODE UTF-8": "utf_8",
    "ISO IR6": "ascii",
    "ISO IR14": "shift_jis",
    "ISO IR87": "iso2022_jp_ext",
    "ISO IR159": "iso2022_jp_ext",
    "KS X 1001": "euc_kr",
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
}
"""ISO IR14 is JIS X 0201, a byte a character: so far Shift JIS is the same."""

SPOKEN_ELSEWHERE = {
    "UTF-8": "utf_8",
    "UTF8": "utf_8",
    "ISO IR192": "utf_8",
    **{f"ISO-8859-{part}": f"iso8859_{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "ISO IR100": "iso8859_1",
    "ISO IR149": "euc_kr",
    "ISO IR58": "gb2312",
}
"""Not in the table, but sent: names of IANA and of DICOM."""

_NOT_DEFAULT = frozenset({"ascii", "iso2022_jp_ext"})
"""Sets without a right half of their own: they leave it to the others."""


def decode(raw: bytes, names: list[str], escape: str = "\\", delimiters: str = "|^~&") -> tuple[str, str]:
    """The text, and the codec it is in.

    Args:
        names: the repetitions of MSH-18. The first is the default; the text switches to the others by escape
            sequences of ISO 2022, raw or as HL7 writes them (§2.7.2).
        escape: the escape character of MSH-2.
        delimiters: the others of MSH-1 and MSH-2, at each of which the default is back.

    Raises:
        NotTakable: a set is not known, or the bytes are not in it.
    """
    named = [name.strip().upper().replace("ISO_IR ", "ISO IR") for name in names if name.strip()]
    codecs = [(CODECS | SPOKEN_ELSEWHERE).get(name) for name in named]
    if None in codecs:
        raise NotTakable(
            ErrorCode.TABLE_VALUE_NOT_FOUND, "MSH^1^18", "MSH-18 names a character set that is not taken."
        )
    known = [codec for codec in codecs if codec and codec != "ascii"]
    if not known:
        return _undeclared(raw)
    default = next((codec for codec in known if codec not in _NOT_DEFAULT), "ascii")
    if "iso2022_jp_ext" in known or len(names) > 1:
        raw = _with_raw_switches(raw, escape)
    try:
        if b"\x1b" in raw:
            return decode_switching(raw, default, delimiters.encode("ascii", errors="replace")), known[0]
        return raw.decode(default), known[0]
    except UnicodeDecodeError:
        raise NotTakable(
            ErrorCode.DATA_TYPE_ERROR, "MSH^1^18", "The bytes are not in the character set of MSH-18."
        ) from None


def _with_raw_switches(raw: bytes, escape: str) -> bytes:
    r"""`\C2842\` and `\M2442\` as what they stand for, ESC ( B and ESC $ B."""
    e = re.escape(escape.encode("iso8859_1"))
    return re.sub(
        rb"%b[CM]((?:[0-9A-Fa-f]{2}){2,3})%b" % (e, e),
        lambda match: b"\x1b" + bytes.fromhex(match[1].decode()),
        raw,
    )


def _undeclared(raw: bytes) -> tuple[str, str]:
    """Without MSH-18 it should be ASCII; what is not is UTF-8, or else Latin-1, which holds any bytes."""
    try:
        return raw.decode("utf_8"), "utf_8"
    except UnicodeDecodeError:
        return raw.decode("iso8859_1"), "iso8859_1"

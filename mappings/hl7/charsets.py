"""MSH-18, HL7 table 0211: the character set of a message as a Python codec."""

from mappings.hl7.errors import ErrorCode, NotTakable

CODECS = {
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859_{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "UNICODE": "utf_8",
    "UNICODE UTF-8": "utf_8",
    "ISO IR14": "iso2022_jp_ext",
    "ISO IR87": "iso2022_jp_ext",
    "ISO IR159": "iso2022_jp_ext",
    "KS X 1001": "euc_kr",
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
}

SPOKEN_ELSEWHERE = {"UTF-8": "utf_8", "UTF8": "utf_8", "ISO-8859-1": "iso8859_1", "ISO IR6": "ascii"}
"""Not in the table, but sent."""


def decode(raw: bytes, names: list[str]) -> tuple[str, str]:
    """The text, and the codec it is in.

    Args:
        names: the repetitions of MSH-18. An ISO 2022 set switches by escape sequences and holds the others.
    """
    named = [name.strip().upper() for name in names if name.strip()]
    codecs = [(CODECS | SPOKEN_ELSEWHERE).get(name) for name in named]
    if None in codecs:
        raise NotTakable(
            ErrorCode.TABLE_VALUE_NOT_FOUND, "MSH^1^18", "MSH-18 names a character set that is not taken."
        )
    codec = next((codec for codec in codecs if codec and codec != "ascii"), "")
    if not codec:
        return _undeclared(raw)
    try:
        return raw.decode(codec), codec
    except UnicodeDecodeError:
        raise NotTakable(
            ErrorCode.DATA_TYPE_ERROR, "MSH^1^18", "The bytes are not in the character set of MSH-18."
        ) from None


def _undeclared(raw: bytes) -> tuple[str, str]:
    """Without MSH-18 it should be ASCII; what is not is UTF-8, or else Latin-1, which holds any bytes."""
    try:
        return raw.decode("utf_8"), "utf_8"
    except UnicodeDecodeError:
        return raw.decode("iso8859_1"), "iso8859_1"

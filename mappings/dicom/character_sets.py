"""Specific Character Set (0008,0005): which one an answer is written in, and how (PS3.3 §C.12.1.1.2)."""

from collections.abc import Collection, Iterable, Sequence

from pydicom.charset import convert_encodings, custom_encoders, decode_bytes, encode_string, python_encoding

CharacterSet = tuple[str, ...]
"""The values of (0008,0005); none is ASCII, which need not be named (type 1C)."""

ASCII: CharacterSet = ()
UTF8: CharacterSet = ("ISO_IR 192",)

TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""Value representations that the Specific Character Set is about (PS3.5 §6.1.2.2)."""

_SINGLE_BYTE: tuple[CharacterSet, ...] = tuple(
    (f"ISO_IR {number}",) for number in (100, 101, 109, 110, 144, 127, 126, 138, 148, 166)
)
"""PS3.3 table C.12-2, the most common first."""

_NO_EXTENSION = frozenset({"", "ISO_IR 6", "ISO 2022 IR 6"})


def character_set(preferred: Sequence[str], texts: Iterable[tuple[str, bytes]]) -> CharacterSet:
    """The smallest set that holds all of these: ASCII, the preferred one, one of one byte, UTF-8.

    Args:
        preferred: The values of Specific Character Set in the query.
        texts: VR and value in UTF-8.
    """
    others = {(vr, text) for vr, text in texts if not text.isascii()}
    if not others:
        return ASCII
    candidates = (known(preferred), *_SINGLE_BYTE)
    return next((one for one in candidates if one and _holds(one, others)), UTF8)


def known(values: Sequence[str]) -> CharacterSet:
    """The values, where all of them are character sets of PS3.3; none otherwise."""
    return tuple(values) if all(value in python_encoding for value in values) else ASCII


def encoded(vr: str, text: bytes, target: CharacterSet) -> bytes:
    """A UTF-8 value of this VR in the target set, which holds it."""
    if target == UTF8 or text.isascii():
        return text
    encodings, value = convert_encodings(list(target)), text.decode()
    if len(target) == 1:
        return encode_string(value, encodings)
    return b"".join(
        part.encode() if part in _delimiters(vr) else encode_string(part, encodings)
        for part in _parts(value, _delimiters(vr))
    )


def _delimiters(vr: str) -> str:
    """Where a value with code extensions begins in the first set again (PS3.5 §6.1.2.5.3)."""
    return "\\^=" if vr == "PN" else "\\"


def _parts(value: str, delimiters: str) -> list[str]:
    parts = [""]
    for character in value:
        if character in delimiters:
            parts += [character, ""]
        else:
            parts[-1] += character
    return [part for part in parts if part]


def _holds(target: CharacterSet, texts: Collection[tuple[str, bytes]]) -> bool:
    if target == UTF8:
        return True
    characters = {character for _, text in texts for character in text.decode()}
    if target[0] in _NO_EXTENSION and any("\x80" <= character <= "\xff" for character in characters):
        # pydicom reads ISO 646 as if it were Latin 1.
        return False
    encodings = convert_encodings(list(target))
    if not all(any(_encodes(encoding, one) for encoding in encodings) for one in characters):
        return False
    return all(
        decode_bytes(encoded(vr, text, target), encodings, set(_delimiters(vr).encode())) == text.decode()
        for vr, text in texts
    )


def _encodes(encoding: str, character: str) -> bool:
    try:
        if encoder := custom_encoders.get(encoding):
            encoder(character)
        else:
            character.encode(encoding)
    except UnicodeError:
        return False
    return True

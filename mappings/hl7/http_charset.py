"""The character set of a message that came over HTTP: the header's `charset` and MSH-18 may differ."""

import codecs

from mappings.hl7.errors import NotTakable
from mappings.hl7.reader import Hl7Message

_IANA = {"iso2022_jp_ext": "iso-2022-jp", "euc_kr": "euc-kr", "utf_8": "utf-8"}


def in_its_own_set(raw: bytes, charset: str) -> bytes:
    """The message in the set that MSH-18 names, UTF-8 where it names none.

    The HTTP header speaks of the bytes on the wire. Where they are not in its set after all, or the message's
    own has no room for them, they stay as they are: the message says what it is in.

    Args:
        charset: the parameter of the Content-Type header, any name that Python knows.

    Raises:
        LookupError: no such character set.
    """
    sent = codecs.lookup(charset)
    try:
        own = Hl7Message(raw.lstrip().partition(b"\r")[0]).delimiters.codec
        return raw if codecs.lookup(own) == sent else raw.decode(charset).encode(own)
    except (NotTakable, UnicodeError):
        return raw


def charset_of(codec: str) -> str:
    """A codec's name as HTTP has it (IANA)."""
    return _IANA.get(codec, codec.replace("iso8859_", "iso-8859-"))

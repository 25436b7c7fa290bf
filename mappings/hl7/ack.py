"""The answer to a message (v2.5.1 §2.9): in the sender's version, character set and delimiters.

Plain string formatting: this runs for every message, before the sender may go on.
"""

import re
from datetime import datetime
from functools import lru_cache

from mappings.hl7.errors import NotTakable
from mappings.hl7.reader import Delimiters, Segments

_DEFAULT_VERSION = "2.5.1"
_TABLE = "HL70357"
_CONTROL = re.compile(r"[\x00-\x1f]")


def acknowledge(
    message: Segments | None,
    refusal: NotTakable | None,
    *,
    control_id: str,
    now: datetime,
    code: str = "",
    application: str = "",
    facility: str = "",
) -> bytes:
    """The ACK as bytes, without its frame.

    A refusal takes the form that the sender's version has for it: MSA-3 and ERR-1 with the code alone in 2.1,
    MSA-3 and ERR-1 with place and code in 2.2 to 2.4, ERR-2, -3, -4 and -8 from 2.5 on.

    Args:
        message: what is answered; None when it could not be read at all.
        refusal: why it is not taken; None for AA.
        control_id: MSH-10 of the ACK itself.
        now: a time in the site's zone.
        code: MSA-1 (table 0008), where it is not AA or the refusal's own: CA, CE or CR.
        application: MSH-3, where the message names no receiver (MSH-5).
        facility: MSH-4, likewise.
    """
    message = message or Segments([], Delimiters())
    d = message.delimiters
    f = d.field
    version = message.get("MSH-12") or _DEFAULT_VERSION
    header = (
        "MSH", d.component + d.repetition + d.escape + d.subcomponent,
        message.field("MSH-5").raw or escape(application, d),
        message.field("MSH-6").raw or escape(facility, d),
        message.field("MSH-3").raw, message.field("MSH-4").raw,
        f"{now:%Y%m%d%H%M%S%z}", "", _type(message, version), control_id,
        message.field("MSH-11").raw or "P", escape(version, d),
    )  # fmt: skip
    charsets = d.repetition.join(repetition.raw for repetition in message.repetitions("MSH-18"))
    # An answer in enhanced mode says that it wants none itself (MSH-15, MSH-16).
    wants = ("NE", "NE") if is_enhanced(message) else ("", "")
    code = code or (refusal.ack_code if refusal else "AA")
    segments = [
        f.join((*header, "", "", *wants, "", charsets)).rstrip(f),
        f.join(("MSA", code, message.field("MSH-10").raw)),
    ]
    if refusal and _parts(version) >= (2, 5):
        segments.append(_err(refusal, d))
    elif refusal:
        segments[1] += f + escape(refusal.reason, d)
        segments.append(f"ERR{f}{_error_code_and_location(refusal, d, version)}")
    # What is echoed must not end our own segment or frame.
    answer = "".join(_CONTROL.sub("", segment) + "\r" for segment in segments)
    return answer.encode(d.codec, errors="replace")


def is_enhanced(message: Segments) -> bool:
    """Whether the sender speaks of acknowledgments at all: MSH-15 or MSH-16 (§2.9.3)."""
    return bool(message.get("MSH-15") or message.get("MSH-16"))


def escape(text: str, delimiters: Delimiters) -> str:
    """Text with its delimiters as escape sequences (§2.7); control characters become blanks."""
    if text.isalnum():
        return text
    e = delimiters.escape
    named = {
        e: "E", delimiters.field: "F", delimiters.component: "S", delimiters.repetition: "R",
        delimiters.subcomponent: "T",
    }  # fmt: skip
    return "".join(
        f"{e}{named[character]}{e}" if character in named else character if character >= " " else " "
        for character in text
    )


def _err(refusal: NotTakable, d: Delimiters) -> str:
    """ERR from v2.5 on: location, error code, severity, and the words for people."""
    code = d.component.join((str(refusal.code.value), refusal.code.text, _TABLE))
    fields = ("ERR", "", _location(refusal, d), code, "E", "", "", "", escape(refusal.reason, d))
    return d.field.join(fields)


def _error_code_and_location(refusal: NotTakable, d: Delimiters, version: str) -> str:
    """ERR-1 before v2.5: an ID in 2.1, then segment^sequence^field^code&text&table."""
    code = str(refusal.code.value)
    if version == "2.1":
        return code
    error = d.subcomponent.join((code, refusal.code.text, _TABLE))
    return f"{_location(refusal, d, fields=3)}{d.component}{error}"


def _location(refusal: NotTakable, d: Delimiters, fields: int = 0) -> str:
    parts = refusal.location.split("^") if refusal.location else []
    return d.component.join(parts + [""] * (fields - len(parts)))


def _type(message: Segments, version: str) -> str:
    """MSH-9: the structure is named from v2.3.1 on; the event is the one that is answered."""
    event = message.get("MSH-9.2")
    if not event:
        return "ACK"
    c = message.delimiters.component
    kind = ("ACK", event, "ACK") if _parts(version) >= (2, 3, 1) else ("ACK", event)
    return c.join([escape(part, message.delimiters) for part in kind])


@lru_cache(maxsize=64)
def _parts(version: str) -> tuple[int, ...]:
    try:
        return tuple(map(int, version.split(".")))
    except ValueError:
        return _parts(_DEFAULT_VERSION)

"""The answer to a message (v2.5.1 §2.9): in the sender's version, character set and delimiters.

Plain string formatting: this runs for every message, before the sender may go on.
"""

import re
from datetime import datetime

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
    application: str = "",
    facility: str = "",
) -> bytes:
    """The ACK as bytes, without its frame.

    Args:
        message: what is answered; None when it could not be read at all.
        refusal: why it is not taken; None for AA.
        control_id: MSH-10 of the ACK itself.
        now: a time in the site's zone.
        application: MSH-3, where the message names no receiver (MSH-5).
        facility: MSH-4, likewise.
    """
    message = message or Segments([], Delimiters())
    d = message.delimiters
    f, c = d.field, d.component
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
    code = refusal.ack_code if refusal else "AA"
    segments = [
        f.join((*header, "", "", "", "", "", charsets)).rstrip(f),
        f.join(("MSA", code, message.field("MSH-10").raw)),
    ]
    if refusal:
        if _parts(version) >= (2, 5):
            segments.append(_err(refusal, d))
        else:
            segments[1] += f + escape(refusal.reason, d)
            error = f"{refusal.code.value}{d.subcomponent}{refusal.code.text}{d.subcomponent}{_TABLE}"
            segments.append(f"ERR{f}{_location(refusal, d, fields=3)}{c}{error}")
    # What is echoed must not end our own segment or frame.
    answer = "".join(_CONTROL.sub("", segment) + "\r" for segment in segments)
    return answer.encode(d.codec, errors="replace")


def escape(text: str, delimiters: Delimiters) -> str:
    """Text with its delimiters as escape sequences (§2.7); control characters become blanks."""
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
    return c.join(escape(part, message.delimiters) for part in kind)


def _parts(version: str) -> tuple[int, ...]:
    try:
        return tuple(map(int, version.split(".")))
    except ValueError:
        return _parts(_DEFAULT_VERSION)

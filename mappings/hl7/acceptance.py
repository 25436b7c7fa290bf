"""Whether a message can be taken: what the listener has to know before it answers, and no more."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from mappings.hl7.catalogues import EVENTS as CATALOGUE_EVENTS
from mappings.hl7.catalogues import check_catalogue
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.kinds import message_type
from mappings.hl7.orders import check_orders
from mappings.hl7.patients import ACTIONS as PATIENT_ACTIONS
from mappings.hl7.patients import check_patients
from mappings.hl7.reader import Hl7Message
from mappings.hl7.reports import check_reports
from mappings.hl7.schedules import ACTIONS as SCHEDULE_ACTIONS
from mappings.hl7.schedules import check_schedules

__all__ = ["TAKEN", "VERSIONS", "Verdict", "judge", "message_type"]

TAKEN: dict[str, Callable[[Hl7Message], None]] = {
    **dict.fromkeys(("ORM^O01", "OMG^O19", "OMI^O23"), check_orders),
    "ORU^R01": check_reports,
    **{f"ADT^{event}": check_patients for event in PATIENT_ACTIONS},
    **{f"SIU^{event}": check_schedules for event in SCHEDULE_ACTIONS},
    **{f"MFN^{event}": check_catalogue for event in CATALOGUE_EVENTS},
}
"""The messages that are taken (MSH-9.1 ^ MSH-9.2), and what each of them has to have."""

VERSIONS = frozenset(
    {
        "2.1",
        "2.2",
        "2.3",
        "2.3.1",
        "2.3.2",
        "2.4",
        "2.5",
        "2.5.1",
        "2.6",
        "2.7",
        "2.7.1",
        "2.8",
        "2.8.1",
        "2.8.2",
    }
)
"""HL7 table 0104 (MSH-12)."""

_SEGMENT_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")


@dataclass(frozen=True)
class Verdict:
    """What came, and why it cannot be taken if it cannot."""

    message: Hl7Message | None
    refusal: NotTakable | None

    @property
    def ack_code(self) -> str:
        """MSA-1."""
        return self.refusal.ack_code if self.refusal else "AA"

    def header(self, path: str) -> str:
        return self.message.get(path) if self.message else ""

    @property
    def message_type(self) -> str:
        """MSH-9.1 ^ MSH-9.2, as in `ORM^O01`."""
        return message_type(self.message) if self.message else ""


def judge(raw: bytes) -> Verdict:
    """Look at a message as the listener does."""
    try:
        message = Hl7Message(raw)
    except NotTakable as refusal:
        return Verdict(None, refusal)
    try:
        _check(message)
    except NotTakable as refusal:
        return Verdict(message, refusal)
    return Verdict(message, None)


def _check(message: Hl7Message) -> None:
    kind = message_type(message)
    if kind not in TAKEN:
        raise _unsupported(kind)
    if message.get("MSH-12") not in VERSIONS:
        raise NotTakable(
            ErrorCode.UNSUPPORTED_VERSION_ID, "MSH^1^12", "MSH-12: only HL7 versions 2.1 to 2.8 are taken."
        )
    if not message.get("MSH-10"):
        raise NotTakable(ErrorCode.REQUIRED_FIELD_MISSING, "MSH^1^10", "MSH-10 has no message control ID.")
    for number, name in enumerate(message.names, start=1):
        if not _SEGMENT_NAME.fullmatch(name):
            # The line itself may be a patient's data.
            raise NotTakable(
                ErrorCode.SEGMENT_SEQUENCE_ERROR, "", f"Line {number} does not begin with a segment's name."
            )
    TAKEN[kind](message)


def _unsupported(kind: str) -> NotTakable:
    code, _, event = kind.partition("^")
    events = sorted(taken.partition("^")[2] for taken in TAKEN if taken.startswith(f"{code}^"))
    if not events:
        codes = sorted({taken.partition("^")[0] for taken in TAKEN})
        reason = f"MSH-9: only messages of type {', '.join(codes)} are taken."
        return NotTakable(ErrorCode.UNSUPPORTED_MESSAGE_TYPE, "MSH^1^9", reason)
    fault = "is not taken" if event else "is not told"
    reason = f"MSH-9: the event {fault}; of {code} these are: {', '.join(events)}."
    return NotTakable(ErrorCode.UNSUPPORTED_EVENT_CODE, "MSH^1^9", reason)

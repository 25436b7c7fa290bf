"""Whether a message can be taken: what the listener has to know before it answers, and no more."""

from collections.abc import Callable
from dataclasses import dataclass

from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.orders import check_orders
from mappings.hl7.reader import Hl7Message
from mappings.hl7.reports import check_reports

TAKEN: dict[str, Callable[[Hl7Message], None]] = {"ORM^O01": check_orders, "ORU^R01": check_reports}
"""The messages that are taken (MSH-9.1 ^ MSH-9.2), and what each of them has to have."""

VERSIONS = frozenset({"2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8"})
"""HL7 table 0104 (MSH-12)."""


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


def message_type(message: Hl7Message) -> str:
    return f"{message.get('MSH-9.1')}^{message.get('MSH-9.2')}"


def _check(message: Hl7Message) -> None:
    kind = message_type(message)
    if kind not in TAKEN:
        known_code = any(taken.startswith(f"{message.get('MSH-9.1')}^") for taken in TAKEN)
        code = ErrorCode.UNSUPPORTED_EVENT_CODE if known_code else ErrorCode.UNSUPPORTED_MESSAGE_TYPE
        raise NotTakable(code, "MSH^1^9", f"MSH-9: only {' and '.join(TAKEN)} are taken.")
    if message.get("MSH-12") not in VERSIONS:
        raise NotTakable(
            ErrorCode.UNSUPPORTED_VERSION_ID, "MSH^1^12", "MSH-12: only HL7 versions 2.1 to 2.8 are taken."
        )
    if not message.get("MSH-10"):
        raise NotTakable(ErrorCode.REQUIRED_FIELD_MISSING, "MSH^1^10", "MSH-10 has no message control ID.")
    TAKEN[kind](message)

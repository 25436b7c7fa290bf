"""Which acknowledgments a message gets: original mode (v2.5.1 §2.9.2) and enhanced mode (§2.9.3).

The receiver stores first and judges at once, so both answers of enhanced mode can go out together: the accept
acknowledgment tells that the message is committed, the application acknowledgment what the judgement was.
"""

from dataclasses import dataclass

from mappings.hl7.ack import is_enhanced
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.reader import Segments

NOT_STORED = NotTakable(
    ErrorCode.APPLICATION_INTERNAL_ERROR, "", "The message could not be stored; send it again."
)
UNREADABLE = NotTakable(ErrorCode.APPLICATION_INTERNAL_ERROR, "", "The message could not be read.")
REUSED_CONTROL_ID = NotTakable(
    ErrorCode.DUPLICATE_KEY_IDENTIFIER,
    "MSH^1^10",
    "MSH-10: another message of this sender was taken under this control ID; send it under a new one.",
)


@dataclass(frozen=True)
class Acknowledgment:
    """One answer: its MSA-1 (HL7 table 0008), and why the message is refused if it is."""

    code: str
    refusal: NotTakable | None


def acknowledgments(message: Segments | None, refusal: NotTakable | None) -> list[Acknowledgment]:
    """The answers that the sender wants, in their order; none where it wants to hear nothing of this outcome.

    In enhanced mode the accept acknowledgment comes first (MSH-15), then the application acknowledgment
    (MSH-16). A message that is refused at the door, CE or CR, has not come to the application: where the
    sender was told so, that is the only answer.
    """
    application = Acknowledgment(refusal.ack_code if refusal else "AA", refusal)
    if message is None or not is_enhanced(message):
        return [application]
    accept = _accept(refusal)
    answers = [accept] if _wanted(message.get("MSH-15"), accept) else []
    told = bool(answers) and accept.refusal is not None
    if not told and _wanted(message.get("MSH-16"), application):
        answers.append(application)
    return answers


def _accept(refusal: NotTakable | None) -> Acknowledgment:
    """CA: committed to safe storage, be it in quarantine. CR: the header is not taken. CE: anything else."""
    if refusal and refusal.ack_code == "AR":
        return Acknowledgment("CR", refusal)
    if refusal and refusal.code.is_of_the_moment:
        return Acknowledgment("CE", refusal)
    return Acknowledgment("CA", None)


def _wanted(condition: str, answer: Acknowledgment) -> bool:
    """HL7 table 0155. What is empty beside the other one means NE; what is not in the table means AL."""
    if condition in ("", "NE"):
        return False
    if condition == "ER":
        return answer.refusal is not None
    if condition == "SU":
        return answer.refusal is None
    return True

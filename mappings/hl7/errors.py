"""Why a message cannot be taken, as an ERR segment says it (HL7 table 0357)."""

from enum import IntEnum


class ErrorCode(IntEnum):
    """HL7 table 0357, message error condition codes."""

    SEGMENT_SEQUENCE_ERROR = 100
    REQUIRED_FIELD_MISSING = 101
    DATA_TYPE_ERROR = 102
    TABLE_VALUE_NOT_FOUND = 103
    UNSUPPORTED_MESSAGE_TYPE = 200
    UNSUPPORTED_EVENT_CODE = 201
    UNSUPPORTED_VERSION_ID = 203
    DUPLICATE_KEY_IDENTIFIER = 205
    APPLICATION_INTERNAL_ERROR = 207

    @property
    def text(self) -> str:
        """The table's own words."""
        return self.name.replace("_", " ").capitalize().removesuffix(" id")

    @property
    def is_of_the_moment(self) -> bool:
        """Whether it is no fault of the message's own content: another time or another MSH-10 would do."""
        return self in (ErrorCode.DUPLICATE_KEY_IDENTIFIER, ErrorCode.APPLICATION_INTERNAL_ERROR)


class NotTakable(ValueError):
    """The message cannot be taken; the text says why, without anything of the patient."""

    def __init__(self, code: ErrorCode, location: str, reason: str) -> None:
        """Name the error.

        Args:
            code: HL7 table 0357.
            location: segment^sequence^field, as in `ORC^1^2` (ERR-2 ERL); empty when it lies nowhere.
            reason: plain words for the people of the sender, free of patient data.
        """
        super().__init__(reason)
        self.code = code
        self.location = location
        self.reason = reason

    @property
    def ack_code(self) -> str:
        """MSA-1: AR for trouble in the header, which no other content could mend; else AE (§2.9.2.2)."""
        return "AR" if self.location.startswith("MSH") and not self.code.is_of_the_moment else "AE"

"""What archives say to what they are sent and asked for, in words: statuses of DIMSE, reasons of STOW-RS."""

from collections.abc import Sequence
from typing import Any

from radflow.connectors.wanted import ArchiveUnavailable

# C-STORE, C-GET and C-MOVE: PS3.4 tables B.2-1, C.4-2, C.4-3.
SUCCESS = 0x0000
PENDING = 0xFF00

_WARNINGS = (0xB000, 0xB006, 0xB007)
"""Stored all the same: coerced, elements discarded, dataset does not match (PS3.4 table B.2-1)."""

_WORDS = {
    0x0110: "processing failure",
    0x0111: "duplicate SOP instance",
    0x0112: "no such SOP instance",
    0x0117: "invalid SOP instance",
    0x0122: "SOP class not supported",
    0x0124: "not authorised",
    0x0210: "duplicate invocation",
    0x0211: "unrecognised operation",
    0x0212: "mistyped argument",
    0xA801: "move destination unknown",
    0xC122: "transfer syntax not supported",
    0xFE00: "cancelled",
}
_RANGES = {
    0xA7: "out of resources",
    0xA9: "dataset does not match SOP class",
    0xC0: "cannot be understood",
}
_LATER = (0x0110, 0x0124, 0x0210, 0xFE00)
"""May be over when the archive is asked again."""


def words(status: int) -> str:
    """A status of C-STORE, C-GET, C-MOVE (PS3.4 §B.2.3, §C.4; PS3.7 Annex C), or a reason of STOW-RS."""
    says = (
        _WORDS.get(status)
        or _RANGES.get(status >> 8)
        or ("cannot be understood" if status >> 12 == 0xC else "")
    )
    return f"{says} (0x{status:04X})" if says else f"status 0x{status:04X}"


def is_stored(status: int) -> bool:
    """Whether a C-STORE with this status has been kept."""
    return status == 0 or status in _WARNINGS


def is_temporary(status: int) -> bool:
    """Whether another try may fare better."""
    return status in _LATER or status >> 8 == 0xA7


def retrieval_reason(what: str, status: Any) -> tuple[str, bool]:
    """Why instances that a C-GET or C-MOVE asked for did not come, and whether another try may bring them."""
    code = int(status.Status)
    failed = status.get("NumberOfFailedSuboperations") or 0
    if code == 0 and not failed:
        return f"{what}: the archive lists it and does not send it", False
    if code in (0, 0xB000):
        return f"{what}: the archive could not send it", True
    return f"{what}: {words(code)}", is_temporary(code)


def last_status(archive: str, what: str, answers: Sequence[Any]) -> Any:
    """The final answer of a C-GET or C-MOVE.

    Raises:
        ArchiveUnavailable: there is none: the association broke, or the archive is silent.
    """
    status = answers[-1] if answers else None
    if status is None or "Status" not in status or status.Status == PENDING:
        raise ArchiveUnavailable(f"archive {archive}: no answer to {what}")
    return status

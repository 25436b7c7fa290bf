"""Fields that may be missing or wrong, and the refusal that says so."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from mappings.hl7 import times
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.reader import Segments


def time(segments: Segments, path: str, zone: ZoneInfo) -> datetime | None:
    """The instant at the path, UTC; None when it is not told.

    Raises:
        NotTakable: it is no time.
    """
    try:
        return times.to_utc(segments.get(path), zone)
    except ValueError:
        raise _not_a_time(path) from None


def day(segments: Segments, path: str) -> date | None:
    """The day at the path; None when it is not told, or less than a day is.

    Raises:
        NotTakable: it is no date.
    """
    try:
        return times.to_date(segments.get(path))
    except ValueError:
        raise _not_a_time(path) from None


def first_time(segments: Segments, paths: tuple[str, ...], zone: ZoneInfo) -> datetime | None:
    """The first of the times that is told."""
    return next(filter(None, (time(segments, path, zone) for path in paths)), None)


def missing(location: str, reason: str) -> NotTakable:
    """Table 0357, 101: a required field is missing."""
    return NotTakable(ErrorCode.REQUIRED_FIELD_MISSING, location, reason)


def _not_a_time(path: str) -> NotTakable:
    segment, _, field = path.partition("-")
    location = f"{segment}^1^{field.partition('.')[0]}"
    return NotTakable(ErrorCode.DATA_TYPE_ERROR, location, f"{path} is not an HL7 time.")

"""HL7 times (TS, DTM: `YYYY[MM[DD[HH[MM[SS[.S…]]]]]][+/-ZZZZ]`, v2.5.1 §2A.22) ↔ aware UTC times."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

_TIME = re.compile(
    r"(?P<year>\d{4})(?P<month>\d\d)?(?P<day>\d\d)?(?P<hour>\d\d)?(?P<minute>\d\d)?(?P<second>\d\d)?"
    r"(?:\.(?P<fraction>\d{1,6})\d*)?(?P<zone>[+-]\d{4})?"
)


def to_utc(value: str, zone: ZoneInfo) -> datetime | None:
    """The instant; what is not told is the earliest it can be. A time without a zone is in the site's.

    Returns:
        None for an empty value, or one of zeros, as some send for unknown.

    Raises:
        ValueError: it is no time.
    """
    match = _match(value)
    if match is None:
        return None
    parts = match.groupdict()
    year, month, day = int(parts["year"]), int(parts["month"] or 1), int(parts["day"] or 1)
    hour, minute, second = (int(parts[name] or 0) for name in ("hour", "minute", "second"))
    fraction = int((parts["fraction"] or "").ljust(6, "0"))
    moment = datetime(year, month, day, hour, minute, second, fraction, tzinfo=_offset(parts["zone"]) or zone)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("not a time") from None


def to_instant(value: str, zone: ZoneInfo) -> datetime | None:
    """The instant, where the value tells it for sure; else None.

    That is to the second, and not in the hour that is there twice when clocks are put back.
    """
    try:
        match = _match(value)
        moment = to_utc(value, zone)
    except ValueError:
        return None
    if match is None or moment is None or not match["second"]:
        return None
    local = moment.astimezone(zone)
    twice = local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset()
    return None if twice and not match["zone"] else moment


def to_date(value: str) -> date | None:
    """The day; None when the value is empty or does not tell the day.

    Raises:
        ValueError: it is no date.
    """
    match = _match(value)
    if match is None or not match["day"]:
        return None
    return date(int(match["year"]), int(match["month"]), int(match["day"]))


def from_utc(moment: datetime | None, zone: ZoneInfo) -> str:
    """The instant in the site's zone, to the second and with its offset; empty for None."""
    return f"{moment.astimezone(zone):%Y%m%d%H%M%S%z}" if moment else ""


def _match(value: str) -> re.Match[str] | None:
    value = value.strip()
    if not value.strip("0"):
        return None
    match = _TIME.fullmatch(value)
    if match is None:
        # The value itself is not quoted: it may be a date of birth.
        raise ValueError("not a time")
    return match


def _offset(zone: str | None) -> timezone | None:
    if not zone:
        return None
    minutes = int(zone[1:3]) * 60 + int(zone[3:5])
    return timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes))

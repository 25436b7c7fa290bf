"""DT, DA and TM of a document → UTC (PS3.5 §6.2): with the offset that is sent, else in the site's zone."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

_DT = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:\.(\d{1,6}))?\s*([+-]\d{4})?\s*$")


def moment(sent: str, zone: tzinfo) -> datetime | None:
    """A DT; None where it is no time, or says less than a day."""
    parts = _DT.match(sent.strip())
    if parts is None or parts[3] is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in parts.groups()[:6])
    try:
        # 60 is a leap second.
        local = datetime(
            year, month, day, hour, minute, min(second, 59), int((parts[7] or "").ljust(6, "0")),
            tzinfo=offset(parts[8]) or zone,
        )  # fmt: skip
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def offset(sent: str | None) -> timezone | None:
    """Timezone Offset From UTC (0008,0201) and the suffix of a DT: `+0100`."""
    if not sent or not re.fullmatch(r"[+-]\d{4}", sent.strip()):
        return None
    hours, minutes = int(sent.strip()[1:3]), int(sent.strip()[3:5])
    ahead = timedelta(hours=hours, minutes=minutes)
    return timezone(-ahead if sent.strip()[0] == "-" else ahead) if ahead < timedelta(days=1) else None

"""The one place that reads the clock. Everything else takes `now` as a parameter."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)

"""The one place that reads the clock. Everything else takes `now` as a parameter, or asks here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime


def _real() -> datetime:
    return datetime.now(UTC)


_clock: Callable[[], datetime] = _real


def utc_now() -> datetime:
    """The time now, aware, in UTC."""
    return _clock()


@contextmanager
def kept_by(clock: Callable[[], datetime]) -> Iterator[None]:
    """Let another clock say what time it is, for this whole process: a simulated day passes in minutes.

    Args:
        clock: returns aware times in UTC.
    """
    global _clock
    before, _clock = _clock, clock
    try:
        yield
    finally:
        _clock = before

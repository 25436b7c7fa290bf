"""How something fares that is asked again and again: one that fails is left alone, longer and longer."""

from datetime import datetime, timedelta
from typing import Protocol


class Fares(Protocol):
    """The columns of its state."""

    failures: int
    failing_since: datetime | None
    next_try_at: datetime | None
    trouble: str


def recovers(state: Fares) -> int:
    """Note that it has answered; how often in a row it had failed before."""
    failures = state.failures
    state.failures, state.failing_since, state.next_try_at, state.trouble = 0, None, None, ""
    return failures


def fails(state: Fares, *, trouble: str, now: datetime, first: float, longest: float) -> None:
    """Note that it has not: it is left alone for `first` seconds, then twice as long, up to `longest`."""
    pause = min(longest, first * 2.0 ** min(state.failures, 30))
    state.failures += 1
    state.failing_since = state.failing_since or now
    state.next_try_at, state.trouble = now + timedelta(seconds=pause), trouble

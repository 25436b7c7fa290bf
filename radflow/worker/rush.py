"""Whether much is to do: Prefect's events then come late, and looking costs little beside the rest."""

from collections import deque

RUNS = 10
WITHIN = 30.0
"""Seconds in which so many runs are a rush."""


class Rush:
    """Times at which runs were claimed, in seconds of one clock."""

    def __init__(self) -> None:
        self._claims: deque[float] = deque(maxlen=RUNS)

    def claimed(self, count: int, now: float) -> None:
        """Note that so many runs were claimed now."""
        self._claims.extend([now] * count)

    def is_on(self, now: float) -> bool:
        """Whether many were claimed lately."""
        return len(self._claims) == RUNS and now - self._claims[0] < WITHIN

"""What a step returns when all is well and it is not yet time."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Waiting:
    """The step waits for something that is under way, and whose arrival nudges the order (`orders.nudge`).

    Returned, not raised: in Prefect a task that raises is red, and nothing is wrong. The leg rests; neither
    an attempt nor trouble is noted, and the step is done again when the order is woken.
    """

    reason: str
    """For the run's log, free of patient data."""

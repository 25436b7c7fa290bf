"""How long an order took from stage to stage."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from radflow.order import FINISHED, State

STAGES = ("received", "worklisted", "acquired", "reported", "published")
TOTAL = "total"
"""From received to published."""

Limits = Callable[[str, str, str], float | None]
"""(stage, modality, priority) → how many seconds the site allows, or None."""


@dataclass(frozen=True)
class Stage:
    """A stage that an order has reached, or is waiting for."""

    name: str
    started_at: datetime
    ended_at: datetime | None
    """None while it is waited for."""

    @property
    def seconds(self) -> float | None:
        return None if self.ended_at is None else (self.ended_at - self.started_at).total_seconds()

    def overdue(self, limit: float | None, now: datetime) -> bool:
        """Whether it took, or has taken until now, longer than it may."""
        return limit is not None and ((self.ended_at or now) - self.started_at).total_seconds() > limit


def stages_of(reached: Mapping[str, datetime], state: State) -> Iterator[Stage]:
    """The stages in their order, each from the one before it that was reached, and the total.

    A stage that came before the one it follows, as a report before its images, took no time. One that was
    passed over is left out. An order that is still open waits for the stage after the last it has reached.
    """
    received = reached.get("received")
    if received is None:
        return
    done = [stage for stage in STAGES if stage in reached]
    last = received
    for stage in done[1:]:
        ended = max(last, reached[stage])
        yield Stage(stage, last, ended)
        last = ended
    waits = STAGES.index(done[-1]) + 1
    is_open = state not in FINISHED
    if is_open and waits < len(STAGES):
        yield Stage(STAGES[waits], last, None)
    if is_open or "published" in reached:
        yield Stage(TOTAL, received, max(last, reached["published"]) if "published" in reached else None)

"""Whether an order has been in a stage for longer than its site allows, and when to look again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from radflow.model import Order
from radflow.order import TRANSITIONS, Event, State


class Stage(StrEnum):
    """What an order waits for."""

    WORKLIST = "worklist"
    IMAGES = "images"
    REPORT = "report"
    PUBLICATION = "publication"


STAGE_OF = {
    State.RECEIVED: Stage.WORKLIST,
    State.WORKLISTED: Stage.IMAGES,
    State.STARTED: Stage.IMAGES,
    State.PRELIMINARY_WITHOUT_IMAGES: Stage.IMAGES,
    State.REPORTED_WITHOUT_IMAGES: Stage.IMAGES,
    State.ACQUIRED: Stage.REPORT,
    State.PRELIMINARY: Stage.PUBLICATION,
    State.REPORTED: Stage.PUBLICATION,
    State.WITHDRAWN: Stage.PUBLICATION,
}
"""A held order is kept by a person, a finished one is done: neither is late."""


class Limit(Protocol):
    """How long a stage may take."""

    @property
    def stage(self) -> Stage: ...
    @property
    def modality(self) -> str:
        """Empty: every one."""

    @property
    def priority(self) -> str:
        """Requested Procedure Priority (0040,1003); empty: every one."""

    @property
    def after(self) -> timedelta: ...
    @property
    def expires_after(self) -> timedelta | None:
        """From the same moment as `after`; None: never."""


@dataclass(frozen=True)
class Verdict:
    """What the limits of a site say of an order now."""

    stage: Stage | None = None
    """What it waits for; None where that has no limit."""
    since: datetime | None = None
    """Since when it is overdue in that stage; None while it is not."""
    expired: bool = False
    look_at: datetime | None = None
    """When they may say something else, if nothing happens to the order until then."""


def judge(
    order: Order, state: State, log: Iterable[tuple[Event, datetime]], limits: Sequence[Limit], now: datetime
) -> Verdict:
    """Whether the order is overdue, or expired, by the first of the limits that is for it.

    Args:
        log: the order's events and when they happened, oldest first.
    """
    limit = limit_of(order, STAGE_OF.get(state), limits)
    if limit is None:
        return Verdict()
    began = _began(order, limit.stage, log)
    overdue_at = began + limit.after
    if now < overdue_at:
        return Verdict(limit.stage, look_at=overdue_at)
    if limit.expires_after is None:
        return Verdict(limit.stage, since=overdue_at)
    expires_at = began + limit.expires_after
    if now < expires_at:
        return Verdict(limit.stage, since=overdue_at, look_at=expires_at)
    return Verdict(limit.stage, since=overdue_at, expired=True)


def limit_of(order: Order, stage: Stage | None, limits: Sequence[Limit]) -> Limit | None:
    """The first limit that is for such an order in this stage."""
    return next(
        (
            limit
            for limit in limits
            if limit.stage is stage
            and limit.modality in ("", order.modality)
            and limit.priority in ("", order.priority)
        ),
        None,
    )


def _began(order: Order, stage: Stage, log: Iterable[tuple[Event, datetime]]) -> datetime:
    """The moment from which the stage counts: for images the scheduled time, where there is one."""
    scheduled = [step.start for step in order.steps if step.start]
    if stage is Stage.IMAGES and scheduled:
        return min(scheduled)
    return _reached(log)


def _reached(log: Iterable[tuple[Event, datetime]]) -> datetime:
    """When the order came into the stage that it is in at the end of its log."""
    state: State | None = None
    since: datetime | None = None
    for event, at in log:
        after = TRANSITIONS.get((state, event), state)
        if since is None or _stage(after) is not _stage(state):
            since = at
        state = after
    if since is None:
        raise ValueError("an order without a log is none")
    return since


def _stage(state: State | None) -> Stage | None:
    return STAGE_OF.get(state) if state else None

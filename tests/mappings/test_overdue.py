"""When an order is overdue: which limit is for it, from which moment it counts, when to look again."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from mappings.overdue import Stage, Verdict, judge
from radflow.order import Event, State
from radflow.settings.overdue import OverdueLimit
from tests.builders import an_order

HOUR = timedelta(hours=1)


def limits(*tables: dict[str, str]) -> Sequence[OverdueLimit]:
    return [OverdueLimit.model_validate(table) for table in tables]


IMAGES = limits({"stage": "images", "after": "4h", "expires_after": "2d"})


def verdict(now: datetime, at: datetime, start: datetime | None = None) -> Verdict:
    """Of an order that came on the worklist a minute after `at`."""
    order = an_order()
    (step,) = order.steps
    order = order.model_copy(update={"steps": (step.model_copy(update={"start": start}),)})
    log = [(Event.ORDER_RECEIVED, at), (Event.WORKLISTED, at + timedelta(minutes=1))]
    return judge(order, State.WORKLISTED, log, IMAGES, now)


def test_images_are_due_from_their_scheduled_time(now: datetime) -> None:
    """An order for tomorrow is not late today, however long ago it came."""
    start = now + 24 * HOUR
    assert verdict(now, now - 240 * HOUR, start) == Verdict(Stage.IMAGES, look_at=start + 4 * HOUR)
    late = verdict(start + 4 * HOUR, now, start)
    assert late == Verdict(Stage.IMAGES, since=start + 4 * HOUR, look_at=start + 48 * HOUR)
    assert verdict(start + 48 * HOUR, now, start).expired


def test_without_a_scheduled_time_from_the_worklist_on(now: datetime) -> None:
    """The minute in which it was only received does not count."""
    due = now + timedelta(hours=4, minutes=1)
    assert verdict(now + 4 * HOUR, now) == Verdict(Stage.IMAGES, look_at=due)
    assert verdict(due, now).since == due


def test_another_stage_counts_from_when_it_was_reached(now: datetime) -> None:
    """Images that came a day after the order: the report has its time from there."""
    log = [(Event.ORDER_RECEIVED, now), (Event.STUDY_FOUND, now + 24 * HOUR)]
    said = judge(an_order(), State.ACQUIRED, log, limits({"stage": "report", "after": "1h"}), now + 24 * HOUR)
    assert said == Verdict(Stage.REPORT, look_at=now + 25 * HOUR)


def test_what_only_passes_through_its_stage_again_counts_anew(now: datetime) -> None:
    """A corrected report is published anew, and has its own time for that; work on it adds none."""
    events = (
        Event.ORDER_RECEIVED, Event.STUDY_FOUND, Event.REPORT_RECEIVED, Event.PUBLISHED,
        Event.REPORT_RECEIVED, Event.STEP_FAILED,
    )  # fmt: skip
    log = [(event, now + number * HOUR) for number, event in enumerate(events)]
    said = judge(
        an_order(), State.REPORTED, log, limits({"stage": "publication", "after": "30m"}), now + 6 * HOUR
    )
    assert said.since == now + 4 * HOUR + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("modality", "priority", "hours"), [("CT", "STAT", 1), ("CT", "", 2), ("", "LOW", 3)]
)
def test_the_first_limit_that_is_for_the_order_holds(
    modality: str, priority: str, hours: int, now: datetime
) -> None:
    """By modality and priority; an empty one is for all."""
    order = an_order()
    (step,) = order.steps
    order = order.model_copy(
        update={"priority": priority, "steps": (step.model_copy(update={"modality": modality}),)}
    )
    said = judge(
        order, State.ACQUIRED, [(Event.ORDER_RECEIVED, now), (Event.STUDY_FOUND, now)],
        limits(
            {"stage": "images", "after": "9h"},
            {"stage": "report", "modality": "CT", "priority": "STAT", "after": "1h"},
            {"stage": "report", "modality": "CT", "after": "2h"},
            {"stage": "report", "after": "3h"},
        ),
        now,
    )  # fmt: skip
    assert said.look_at == now + hours * HOUR


@pytest.mark.parametrize("state", [State.HELD, State.PUBLISHED, State.CANCELLED, State.CLOSED])
def test_what_is_held_or_finished_is_never_late(state: State, now: datetime) -> None:
    """Nor is it looked at again."""
    every = limits(*({"stage": stage, "after": "1m"} for stage in Stage))
    said = judge(an_order(), state, [(Event.ORDER_RECEIVED, now)], every, now + 1000 * HOUR)
    assert said == Verdict()

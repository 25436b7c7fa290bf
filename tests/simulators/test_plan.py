"""A simulated day holds what it says, and the same seed gives the same day."""

from collections import Counter
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from radflow.simulators.day.plan import SHARES, Planned, Twist, plan
from radflow.simulators.day.script import Deed, script

MORNING = datetime(2026, 11, 24, 6, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.fixture(scope="module")
def exams() -> list[Planned]:
    return plan(1000, MORNING)


def test_each_thing_that_goes_wrong_has_its_share(exams: list[Planned]) -> None:
    """To the order, and wrong accession numbers are 2 % together."""
    counted = Counter(twist for one in exams for twist in one.twists)
    assert counted == {twist: round(1000 * share) for twist, share in SHARES.items()}
    assert counted[Twist.MISTYPED] + counted[Twist.FROM_THE_CONSOLE] == 20


def test_a_seed_is_a_day() -> None:
    """The same seed plans the same day, another one another."""
    assert plan(100, MORNING, 7) == plan(100, MORNING, 7) != plan(100, MORNING, 8)


def test_a_group_is_of_one_patient_kind_and_time(exams: list[Planned]) -> None:
    """Who joins has a leader that is an ordinary exam, and gets no study of its own."""
    by_number = {one.number: one for one in exams}
    followers = [one for one in exams if one.leader]
    assert len(followers) == 70
    for one in followers:
        leader = by_number[one.leader]
        assert (one.patient, one.exam, one.made_at) == (leader.patient, leader.exam, leader.made_at)
        assert leader.is_made
        assert not one.is_made
        assert not leader.twists - {Twist.CORRECTED}


def test_a_day_is_in_the_order_of_time_and_ends(exams: list[Planned]) -> None:
    """Ordered, made, reported, corrected: nothing before its cause."""
    happenings = script(exams)
    assert all(one.at <= next_.at for one, next_ in pairwise(happenings))
    counted = Counter(one.deed for one in happenings)
    assert counted[Deed.ORDER] == 1000
    assert counted[Deed.MAKE] == counted[Deed.REPORT] == 1000 - 50 - 70
    at = {(one.number, one.deed): one.at for one in happenings}
    for one in exams:
        if one.is_made:
            assert at[one.number, Deed.ORDER] < at[one.number, Deed.MAKE] < at[one.number, Deed.REPORT]


@pytest.mark.parametrize("count", [20, 21, 40])
def test_a_small_day_has_one_of_each(count: int) -> None:
    """Whatever the seed."""
    for seed in range(50):
        assert {twist for one in plan(count, MORNING, seed) for twist in one.twists} == set(Twist)

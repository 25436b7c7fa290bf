"""A small hospital's day, as the command plays it: all of it comes to its end, and replays change nothing."""

import json

import pytest
from typer.testing import CliRunner

from radflow.cli import app

WRONG = ("open", "lost", "duplicated", "wrongly_linked", "changed_by_replay")


@pytest.mark.usefixtures("environment_given_back")
def test_a_day_of_forty_orders_goes_right() -> None:
    """Every kind of twist is in it. The plan says what is true, store and EHR what has become of it."""
    answered = CliRunner().invoke(app, ["simulate", "day", "--orders", "40", "--json"])
    assert answered.exit_code == 0, answered.output
    day = json.loads(answered.stdout)
    assert {name: day[name] for name in WRONG} == dict.fromkeys(WRONG, 0)
    assert day["orders"] == 40
    assert day["cancelled"] == day["twists"]["cancelled"]
    assert day["published"] == 40 - day["cancelled"]
    assert all(day["twists"].values()), day["twists"]

"""A small hospital's day, as the command plays it: all of it comes to its end, and replays change nothing."""

import json
import os
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from radflow.cli import app
from radflow.settings import settings
from radflow.store import engine

WRONG = ("open", "lost", "duplicated", "wrongly_linked", "changed_by_replay")


@pytest.fixture(autouse=True)
def this_environment() -> Iterator[None]:
    """The command is at home in a folder of its own, and its process ends with it; the tests' does not."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    settings.cache_clear()
    engine.store.cache_clear()


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

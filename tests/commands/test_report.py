"""`radflow report turnaround`: figures of orders whose times are known."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.testing.utilities import prefect_test_harness
from typer.testing import CliRunner

from flows.turnaround import turnaround
from mappings.turnaround import duration
from radflow.cli import app
from radflow.order import Event
from radflow.settings import settings
from radflow.store import orders
from radflow.store.engine import Store
from tests.builders import an_order
from tests.conftest import on_sqlite_alone

LIMITS = """
[[turnaround]]
stage = "acquired"
hours = 3
[[turnaround]]
stage = "acquired"
priority = "STAT"
hours = 1
"""


@pytest.fixture(autouse=True)
def ten_days(store: Store, installed: Path, now: datetime) -> None:
    """Ten CT orders, a day apart, imaged after 1, 2 … 10 hours; and a STAT one that waits since `now`."""
    with (installed / "main.toml").open("a") as file:
        file.write(LIMITS)
    for number in range(1, 11):
        at = now + timedelta(days=number)
        place(store, f"T{number}", at)
        with store.write() as session:
            found = at + timedelta(hours=number)
            orders.record(
                session,
                an_order(f"T{number}").key,
                Event.STUDY_FOUND,
                source="test",
                occurred_at=found,
                now=found,
            )
    place(store, "WAITS", now, priority="STAT")


def place(store: Store, number: str, at: datetime, **changes: object) -> None:
    with store.write() as session:
        orders.place(session, an_order(number, **changes), source="test", occurred_at=at, now=at)


def run(*arguments: str) -> Any:
    answer = CliRunner().invoke(app, ["report", "turnaround", *arguments], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer


def as_json(*arguments: str) -> Any:
    return json.loads(run("--json", *arguments).stdout)


def acquired(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in table if row["stage"] == "acquired"]


def test_median_p90_waiting_and_overdue() -> None:
    """By modality and priority: of 1 to 10 hours the median is 5.5 and P90 9.1; seven are over three."""
    (row,) = acquired(as_json()["stages"])
    assert (row["site"], row["modality"], row["priority"]) == ("main", "CT", "-")
    assert (row["orders"], row["waiting"], row["overdue"]) == (10, 0, 7)
    assert (row["median_seconds"], row["p90_seconds"]) == (5.5 * 3600, 9.1 * 3600)


def test_an_order_that_waits_is_counted(now: datetime) -> None:
    """It has no time yet, and is overdue once the limit of its priority is over."""
    stages = as_json()["stages"]
    (row,) = [row for row in stages if row["priority"] == "STAT" and row["stage"] == "worklisted"]
    assert (row["orders"], row["waiting"], row["median_seconds"]) == (0, 1, None)


def test_days_and_hours_are_the_sites_own() -> None:
    """09:00 UTC is ten o'clock in Berlin; every day has its order."""
    report = as_json()
    assert {row["hour"] for row in acquired(report["hours"])} == {10}
    days = acquired(report["days"])
    assert [row["day"] for row in days][:2] == ["2026-11-25", "2026-11-26"]
    assert [row["median_seconds"] for row in days] == [number * 3600 for number in range(1, 11)]


def test_both_days_are_included() -> None:
    """From the first to the last, in the site's time zone."""
    (row,) = acquired(as_json("--since", "2026-11-26", "--until", "2026-11-28")["sites"])
    assert (row["orders"], row["median_seconds"]) == (3, 3 * 3600)


def test_a_page_pictures_and_a_table(tmp_path: Path) -> None:
    """One HTML page that loads nothing, a PNG for each view, and a table for people."""
    answer = run("--html", str(tmp_path / "report.html"), "--png", str(tmp_path / "png"))
    assert "5.5 h" in answer.stdout
    page = (tmp_path / "report.html").read_text()
    assert "5.5 h" in page
    assert 'src="data:image/png;base64,' in page
    assert "http" not in page
    pictures = sorted((tmp_path / "png").iterdir())
    assert [file.name for file in pictures] == ["main-days.png", "main-hours.png", "main-modalities.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in pictures)


def test_nothing_is_no_error(tmp_path: Path) -> None:
    """Days without orders have an empty report."""
    assert as_json("--since", "2030-01-01", "--html", str(tmp_path / "empty.html"))["stages"] == []
    assert "No orders." in (tmp_path / "empty.html").read_text()


def test_an_unknown_site_is_named() -> None:
    """The error says which sites there are."""
    answer = CliRunner().invoke(app, ["report", "turnaround", "--site", "elsewhere"])
    assert answer.exit_code == 1
    assert "elsewhere" in answer.output


@on_sqlite_alone
def test_the_flow_shows_it(tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Artifacts for the UI, and the page on disk."""
    monkeypatch.setenv("RADFLOW_HOME", str(tmp_path))
    settings.cache_clear()
    with prefect_test_harness(server_startup_timeout=300):
        page = turnaround(since=now.date())
    assert "5.5 h" in Path(page).read_text()


@pytest.mark.parametrize(
    ("seconds", "read"),
    [(None, "-"), (float("nan"), "-"), (59, "59 s"), (720, "12 min"), (19800, "5.5 h"), (400000, "4.6 d")],
)
def test_durations_are_read(seconds: float | None, read: str) -> None:
    assert duration(seconds) == read

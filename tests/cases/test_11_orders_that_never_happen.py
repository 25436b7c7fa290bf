"""Case 11: orders that never happen."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from radflow.cli import app
from radflow.settings import settings
from radflow.store import archives, overdue
from tasks.overdue import body, news_to_tell, subject
from tasks.wake import tags_of
from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital

LIMITS = [
    {"stage": "images", "modality": "MR", "after": "1h"},
    {"stage": "images", "after": "4h", "expires_after": "2d"},
    {"stage": "report", "priority": "STAT", "after": "30m"},
]
TODAY_AT_TEN = {"OBR": {36: "20261124100000"}}


@pytest.fixture
def hospital(a_hospital: AHospital) -> Hospital:
    """A site with limits; it is ten o'clock in Berlin."""
    return a_hospital(overdue=LIMITS)


def radflow(*arguments: str) -> Any:
    """The answer of a command, in JSON."""
    answer = CliRunner().invoke(app, [*arguments, "--json"])
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def overdue_keys() -> list[str]:
    return [order["key"] for order in radflow("orders", "list", "--overdue")]


def told(hospital: Hospital) -> list[str]:
    """What ops are told now: the subject and the lines of the one message, if there is any."""
    with hospital.store.write() as session:
        news = news_to_tell(session, settings().sites, hospital.now)
        overdue.told(session, news, hospital.now)
    return [subject(news), *body(news).splitlines()] if news else []


def test_overdue_by_the_sites_own_limit_flagged_told_and_over(hospital: Hospital) -> None:
    """Four hours after its scheduled time; ops hear of it once, and once that its images have come."""
    hospital.send(hospital.order("P1", changes=TODAY_AT_TEN))
    hospital.advance(hours=3, minutes=59)
    assert hospital.engine.look_at_limits() == []
    assert (overdue_keys(), told(hospital)) == ([], [])

    hospital.advance(minutes=1)
    key = hospital.key("P1")
    assert hospital.engine.look_at_limits() == [key]
    hospital.advance(minutes=1)
    assert hospital.engine.look_at_limits() == []
    assert overdue_keys() == [key]
    assert "overdue" in tags_of(hospital.row("P1"))
    assert told(hospital) == [
        "radflow: 1 order is overdue at main",
        "main, waiting for images: 1 order is overdue since 2026-11-24 13:00 UTC (CT 1)",
    ]
    assert told(hospital) == []
    assert hospital.state("P1") == "worklisted"
    assert len(hospital.items("P1")) == 1

    hospital.image("P1")
    hospital.advance(minutes=1)
    assert hospital.engine.look_at_limits() == [key]
    assert overdue_keys() == []
    assert "overdue" not in tags_of(hospital.row("P1"))
    assert told(hospital) == [
        "radflow: what was overdue no longer is at main",
        "main, waiting for images: no order is overdue any more (some were since 2026-11-24 13:00 UTC)",
    ]
    log = [line.event for line in hospital.log("P1")]
    assert (log.count("order-overdue"), log.count("overdue-ended")) == (1, 1)


def test_a_new_time_is_a_new_limit(hospital: Hospital) -> None:
    """The overdue examination is put off until tomorrow: it is not overdue any more."""
    hospital.send(hospital.order("P1", changes=TODAY_AT_TEN))
    hospital.advance(hours=5)
    hospital.engine.look_at_limits()
    assert overdue_keys() == [hospital.key("P1")]
    hospital.send(hospital.order("P1", "XO", changes={"OBR": {36: "20261125100000"}}))
    hospital.advance(minutes=1)
    hospital.engine.look_at_limits()
    assert overdue_keys() == []
    hospital.advance(hours=23)
    hospital.engine.look_at_limits()
    assert overdue_keys() == [hospital.key("P1")]


def test_expired_after_two_days(hospital: Hospital) -> None:
    """It is closed: off the worklist, no longer overdue, and wakes no more. Late images open it again."""
    hospital.send(hospital.order("P1", changes=TODAY_AT_TEN))
    images = hospital.study(hospital.item("P1"))
    hospital.advance(hours=5)
    hospital.engine.look_at_limits()
    hospital.advance(hours=43)
    hospital.engine.look_at_limits()
    assert hospital.state("P1") == "closed"
    assert hospital.items("P1") == []
    assert overdue_keys() == []
    assert hospital.events("P1")[-1] == "order-expired"
    (line,) = (line for line in hospital.log("P1") if line.event == "order-expired")
    assert (line.source, line.detail) == ("limits", {"stage": "images"})
    assert list(hospital.warehouse("orders")["state"]) == ["closed"]
    assert hospital.fhir("ServiceRequest") == hospital.fhir("DiagnosticReport") == []
    hospital.keep(images)
    assert hospital.send(hospital.report("P1")) == ["AA"]
    assert hospital.state("P1") != "closed"


def test_closed_by_hand(hospital: Hospital) -> None:
    """A person says that nothing more will come of it, and why; it is no longer overdue."""
    hospital.send(hospital.order("P1", changes=TODAY_AT_TEN))
    hospital.advance(hours=5)
    hospital.engine.look_at_limits()
    radflow("orders", "close", hospital.key("P1"), "--reason", "did not come")
    hospital.advance(minutes=1)
    hospital.engine.look_at_limits()
    assert hospital.state("P1") == "closed"
    assert hospital.items("P1") == []
    assert overdue_keys() == []
    (line,) = (line for line in hospital.log("P1") if line.event == "order-closed")
    assert line.source.startswith("person:")


def test_closed_and_changed_after_all(hospital: Hospital) -> None:
    """It is on the worklist again; the RIS, which was told that it is over, gets it as a new order."""
    hospital.send(hospital.order("P1"))
    radflow("orders", "close", hospital.key("P1"), "--reason", "did not come")
    hospital.advance(minutes=1)
    hospital.send(hospital.order("P1", "XO", changes=TODAY_AT_TEN))
    assert (hospital.state("P1"), len(hospital.items("P1"))) == ("worklisted", 1)
    assert [message.get("ORC-1") for message in hospital.told_ris()] == ["NW", "DC", "NW"]


def test_nothing_expires_while_an_archive_is_down(hospital: Hospital) -> None:
    """Its images may be where nobody can look: it is overdue, and waits for the archive."""
    hospital.send(hospital.order("P1", changes=TODAY_AT_TEN))
    with hospital.store.write() as session:
        archives.fails(session, "main", "orthanc", trouble="down", now=hospital.now, first=60, longest=60)
    hospital.advance(days=3)
    hospital.engine.look_at_limits()
    assert hospital.state("P1") == "worklisted"
    assert overdue_keys() == [hospital.key("P1")]
    hospital.sweep()
    hospital.advance(hours=1)
    hospital.engine.look_at_limits()
    assert hospital.state("P1") == "closed"

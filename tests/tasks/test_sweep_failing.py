"""Archives that fail: tried again later and later, said once, and in nobody's way."""

import logging
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from radflow.connectors.archive import ArchiveUnavailable, FakeArchive, Wanted
from radflow.model import Study
from radflow.order import Event
from radflow.settings import ConfigError, DimseArchive, settings
from radflow.store import archives
from radflow.store.engine import Store
from radflow.store.tables import ArchiveState, OrderRow
from tasks import study as describing
from tasks.finding import archives_in_turn
from tasks.waiting import Waiting
from tests.builders import an_order
from tests.finding import Rounds, a_study, rounds

KEY = an_order().key


@pytest.fixture
def site(store: Store, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rounds]:
    monkeypatch.setenv("RADFLOW_SITES_DIR", str(tmp_path))
    settings.cache_clear()
    yield rounds(store, now, tmp_path, monkeypatch)
    settings.cache_clear()


def state(site: Rounds, name: str = "pacs") -> ArchiveState:
    with site.store.read() as session:
        return archives.look(session, "main", name)


def test_an_archive_that_is_down_is_said_once(site: Rounds) -> None:
    """Down for a day with a hundred orders waiting: one line when it began, one when it has ended."""
    site.place(*(an_order(f"N{number}") for number in range(100)))
    site.archives["pacs"].down = True
    for _ in range(60):
        site.round(24)
    assert site.news == ["the fake archive is down; it is tried again, later and later"]
    assert state(site).failures == 60
    assert state(site).failing_since == datetime.fromisoformat("2026-11-24T09:24:00+00:00")
    assert all(site.state(an_order(f"N{number}").key) == "received" for number in range(100))
    site.archives["pacs"].down = False
    site.archives["pacs"].studies = [a_study("N7")]
    assert site.round(24) == [an_order("N7").key]
    assert site.news[1:] == ["archive pacs answers again after 60 failed tries"]
    assert state(site).trouble == ""


def test_it_is_tried_again_later_and_later(site: Rounds) -> None:
    """Five seconds, ten, twenty, … a quarter of an hour; the other archive is asked at every sweep."""
    site.place(an_order())
    site.archives["pacs"].down = True
    for _ in range(120):
        site.round(1)
    assert 10 < state(site).failures < 20
    assert site.archives["pacs"].queries < 20
    assert site.archives["vna"].queries == 120


def test_a_failing_archive_is_asked_after_the_others(site: Rounds) -> None:
    """So that nobody else waits for its time-out; a query is sent only if it says that it is there."""
    site.place(an_order())
    site.archives["pacs"].down = True
    assert archives_in_turn(site.store, site.site, site.now) == ["pacs", "vna"]
    site.round()
    queries = site.archives["pacs"].queries
    assert archives_in_turn(site.store, site.site, site.now) == ["vna"]
    site.now = state(site).next_try_at or site.now
    assert archives_in_turn(site.store, site.site, site.now) == ["vna", "pacs"]
    site.round()
    assert site.archives["pacs"].queries == queries


def test_images_are_found_elsewhere_meanwhile(site: Rounds) -> None:
    """They had begun to arrive in an archive that went down: the other one's word counts now."""
    site.site = site.site.model_copy(
        update={"finding": site.site.finding.model_copy(update={"quiet_minutes": 10.0})}
    )
    site.place(an_order())
    site.archives["pacs"].studies = [a_study()]
    assert site.round() == []
    site.archives["pacs"].down = True
    site.archives["vna"].studies = [a_study(archive="vna")]
    site.round()
    assert site.study(KEY).archive == "vna"
    assert site.round(10) == [KEY]


def test_an_error_half_way_changes_nothing(site: Rounds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whatever kind: the next archive is asked, and a text that may hold patient data is not told."""

    def breaks(first: date, last: date) -> list[Study]:
        raise RuntimeError("Müller^Åse")

    def stops(wanted: Sequence[Wanted], today: date) -> list[Study]:
        raise ArchiveUnavailable("archive pacs: C-FIND status 0xC001")

    site.place(an_order())
    monkeypatch.setattr(site.archives["pacs"], "find_period", breaks)
    monkeypatch.setattr(site.archives["pacs"], "find_studies", stops)
    site.archives["vna"].studies = [a_study(archive="vna")]
    assert site.round() == [KEY]
    assert site.news == ["archive pacs: unforeseen RuntimeError; it is tried again, later and later"]


def test_an_order_waits_for_an_archive_that_is_down(
    site: Rounds, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A hundred results are to be published while the archive is away: said once, no step has failed, and
    when it answers again every order is nudged."""
    keys = [an_order(f"N{number}").key for number in range(3)]
    site.place(*(an_order(f"N{number}") for number in range(3)))
    site.archives["pacs"].studies = [a_study(f"N{number}") for number in range(3)]
    assert site.round() == keys
    for key in keys:
        site.happens(key, Event.REPORT_RECEIVED)
    monkeypatch.setattr(describing, "store", lambda: site.store)
    monkeypatch.setattr("tasks.order.store", lambda: site.store)
    monkeypatch.setattr(describing, "open_archive", lambda archive, _zone: site.archives[archive.name])
    monkeypatch.setattr(describing, "run_log", lambda: logging.getLogger("test"))
    monkeypatch.setattr(describing, "utc_now", lambda: site.now)
    site.archives["pacs"].down = True
    for key in keys:
        assert describing.describe_study.fn(key) == Waiting("archive pacs does not answer")
    assert len(caplog.records) == 1
    assert nudges(site, keys) == [0, 0, 0]
    site.archives["pacs"].down = False
    site.round()
    assert nudges(site, keys) == [1, 1, 1]
    assert describing.describe_study.fn(keys[0]) == {"studies": 1, "instances": 0}


def test_an_archive_that_answers_all_but_this_is_a_failure_of_the_step(
    site: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there, and says no to one study: that order is tried again by itself, the archive is not away."""

    def stops(_uid: str) -> Study | None:
        raise ArchiveUnavailable("archive pacs: C-FIND status 0xC001")

    site.place(an_order())
    site.archives["pacs"].studies = [a_study()]
    site.round()
    monkeypatch.setattr(describing, "store", lambda: site.store)
    monkeypatch.setattr("tasks.order.store", lambda: site.store)
    monkeypatch.setattr(describing, "open_archive", lambda archive, _zone: site.archives[archive.name])
    monkeypatch.setattr(site.archives["pacs"], "describe", stops)
    with pytest.raises(ArchiveUnavailable):
        describing.describe_study.fn(KEY)
    assert state(site).failures == 0


def nudges(site: Rounds, keys: Sequence[str]) -> list[int]:
    with site.store.read() as session:
        return [session.get_one(OrderRow, key).nudges for key in keys]


def test_an_archive_whose_secret_is_not_there_is_said_once(
    site: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps nobody from the other archive."""

    def opened(archive: DimseArchive, _zone: ZoneInfo) -> FakeArchive:
        if archive.name == "pacs":
            raise ConfigError("The secret's environment variable PACS_SECRET is not set.")
        return site.archives[archive.name]

    monkeypatch.setattr("tasks.look.open_archive", opened)
    site.place(an_order())
    site.archives["vna"].studies = [a_study(archive="vna")]
    assert site.round() == [KEY]
    assert site.round() == []
    (said,) = site.news
    assert said.startswith("archive pacs: The secret's environment variable PACS_SECRET is not set.; it is")

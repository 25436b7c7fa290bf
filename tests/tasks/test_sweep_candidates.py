"""Studies without the order's numbers: proposed to a person, never linked by guess."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from radflow.commands import archives as archives_command
from radflow.commands import reconcile as command
from radflow.model import Study
from radflow.settings import settings
from radflow.store.engine import Store
from tests.builders import an_order
from tests.finding import Rounds, a_study, rounds

KEY = an_order().key


@pytest.fixture
def site(store: Store, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rounds:
    monkeypatch.setattr(command, "store", lambda: store)
    return rounds(store, now, tmp_path, monkeypatch)


def run(*arguments: str) -> Any:
    result = CliRunner().invoke(command.app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def typed_in(site: Rounds, **changes: object) -> Study:
    """A study for which the technologist has typed everything: no accession number, a UID of the modality."""
    made: dict[str, object] = {"study_instance_uid": "9.9", "accession_number": "", "started": site.now}
    return a_study(**{**made, **changes})  # type: ignore[arg-type]


def test_a_person_confirms_a_candidate(site: Rounds) -> None:
    """Right patient, modality and day: proposed once, and linked when a person says so."""
    site.place(an_order())
    site.archives["pacs"].studies = [typed_in(site)]
    assert site.round() == []
    assert site.round(61) == []
    assert site.state(KEY) == "received"
    (candidate,) = run("list")
    assert candidate["order_key"] == KEY
    assert (candidate["study_instance_uid"], candidate["archive"]) == ("9.9", "pacs")
    said = run("confirm", str(candidate["id"]))
    assert said["decision"] == "confirmed"
    assert site.state(KEY) == "acquired"
    ((event, source),) = site.log(KEY)
    assert (event, source.partition(":")[0]) == ("study-found", "person")
    assert site.study(KEY).study_instance_uid == "9.9"
    assert run("list") == []


def test_a_refused_candidate_stays_refused(site: Rounds) -> None:
    """It is not proposed for this order again; and is decided once."""
    site.place(an_order())
    site.archives["pacs"].studies = [typed_in(site)]
    site.round()
    (candidate,) = run("list")
    run("refuse", str(candidate["id"]))
    site.round(61)
    assert run("list") == []
    refused = CliRunner().invoke(command.app, ["confirm", str(candidate["id"])])
    assert refused.exit_code == 2
    assert "no candidate" in refused.output


@pytest.mark.parametrize(
    "changes",
    [
        {"patient_id": "0815"},
        {"modalities": ("MR",)},
        {"started": datetime.fromisoformat("2026-11-22T09:00:00+00:00")},
        {"started": None},
        {"patient_id": ""},
    ],
)
def test_what_does_not_fit_is_no_candidate(site: Rounds, changes: dict[str, object]) -> None:
    """Another patient, modality or day, or none of these."""
    site.place(an_order())
    site.archives["pacs"].studies = [typed_in(site, **changes)]
    site.round()
    assert run("list") == []


def test_a_study_that_is_an_order_s_is_nobody_else_s_candidate(site: Rounds) -> None:
    """The patient has two CTs today: the images of one are not proposed for the other."""
    site.place(an_order("P1"), an_order("P2"))
    site.archives["pacs"].studies = [a_study("P1", started=site.now)]
    site.round()
    assert run("list") == []
    assert site.state(an_order("P1").key) == "acquired"


def test_the_day_is_the_one_of_the_site(site: Rounds) -> None:
    """An order for the morning, images of the late evening before (UTC): the same day in Berlin."""
    site.site = site.site.model_copy(update={"time_zone": "Europe/Berlin"})
    order = an_order()
    early = site.now.replace(hour=6)
    (step,) = order.steps
    site.place(order.model_copy(update={"steps": (step.model_copy(update={"start": early}),)}))
    site.archives["pacs"].studies = [typed_in(site, started=early - timedelta(hours=6, minutes=30))]
    site.round()
    assert len(run("list")) == 1


def test_a_site_may_do_without(site: Rounds) -> None:
    """`candidates = false`."""
    site.site = site.site.model_copy(
        update={"finding": site.site.finding.model_copy(update={"candidates": False})}
    )
    site.place(an_order())
    site.archives["pacs"].studies = [typed_in(site)]
    site.round()
    assert run("list") == []


def test_modalities_are_asked_for_where_the_archive_tells_none(
    site: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A legacy archive tells them of series only; a study of another modality is no candidate."""
    site.place(an_order("P1"), an_order("P2"))
    site.archives["pacs"].studies = [typed_in(site, modalities=())]
    described = typed_in(site, modalities=("MR",))
    monkeypatch.setattr(site.archives["pacs"], "describe", lambda _uid: described)
    site.round()
    assert run("list") == []


def test_archives_and_how_they_fare(
    site: Rounds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`radflow archives list`: which answers, which does not, and since when."""
    monkeypatch.setattr(archives_command, "store", lambda: site.store)
    monkeypatch.setenv("RADFLOW_SITES_DIR", str(tmp_path))
    settings.cache_clear()
    site.place(an_order())
    site.archives["vna"].down = True
    site.round()
    archives_command.list_archives(as_json=True)
    settings.cache_clear()
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["pacs"]["state"], rows["vna"]["state"]) == ("up", "failing")
    assert rows["vna"]["failing_since"] == site.now.isoformat()
    assert rows["vna"]["trouble"] == "the fake archive is down"

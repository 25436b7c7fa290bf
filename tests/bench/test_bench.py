"""Each bench at its smallest: it answers with the documented object, and the figures are figures."""

import json
import math
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import select
from typer.testing import CliRunner

from mappings.dicom.items import stored
from mappings.dicom.worklist import worklist_items
from radflow.bench import seeding, worklist
from radflow.bench.registry import Goal, Result, all_benches, at_least, at_most, growth, times_the_peer
from radflow.cli import app
from radflow.simulators.orthanc import find_orthanc
from radflow.store.engine import Store
from radflow.store.tables import OrderRow, PatientIdentifier, PatientRow, WorklistItem
from tests.conftest import on_sqlite_alone

KEYS = {"case", "unit", "ours", "peer", "peer_name", "ratio", "goal", "met"}
SMALL = {
    "mllp": ("2",),
    "worklist": ("3", "6"),
    "sweep": ("4",),
    "fhir": ("2",),
    "backfill": ("3",),
}
"""Bench → sizes. Those that start every service are in tests/e2e/test_benches.py."""

pytestmark = pytest.mark.usefixtures("environment_given_back")


@pytest.mark.parametrize("name", SMALL)
def test_a_bench_answers_with_one_object(name: str) -> None:
    """On standard output there is nothing else; progress goes to standard error."""
    sizes = [part for size in SMALL[name] for part in ("--size", size)]
    answer = _run(name, "--seconds", "0.1", "--json", *sizes)
    assert answer["bench"] == name
    assert answer["results"]
    for one in answer["results"]:
        assert set(one) == KEYS
        assert math.isfinite(one["ours"])
        assert (one["peer"] is None) == (one["peer_name"] is None)
        assert isinstance(one["met"], bool) or one["goal"] is None or one["ratio"] is None


def test_mllp_loses_nothing_and_has_its_peers_beside_it() -> None:
    """As a program of its own: what its listeners log is not on its standard output."""
    command = ["bench", "mllp", "--seconds", "0.1", "--json", "--size", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "radflow", *command], check=True, capture_output=True, text=True
    )
    results = json.loads(done.stdout)["results"]
    lost = [one["ours"] for one in results if "lost" in one["case"]]
    assert lost
    assert set(lost) == {0}
    assert {one["peer_name"] for one in results} >= {"hl7.mllp, no store", "hl7apy, no store"}


@pytest.mark.skipif(shutil.which("wlmscpfs") is None, reason="dcmtk is not installed (apt install dcmtk)")
@pytest.mark.skipif(find_orthanc() is None, reason="Orthanc is not installed (apt install orthanc)")
def test_both_peers_have_the_same_worklist(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of theirs that is not as long as ours would fail the bench."""
    monkeypatch.setattr(worklist, "PEERS_AT", 5)
    results = _run("worklist", "--seconds", "0.1", "--json", "--size", "5")["results"]
    for case in ("one hit of 5", "day list: 5 of 5"):
        assert {one["peer_name"] for one in results if one["case"] == case} == {"wlmscpfs", "Orthanc"}


@pytest.mark.skipif(find_orthanc() is None, reason="Orthanc is not installed (apt install orthanc)")
def test_a_sweep_finds_what_was_stored() -> None:
    results = _run("sweep", "--json", "--size", "6")["results"]
    assert results[0]["case"] == "3 of 6 found, ORTHANC"


def test_the_list_names_every_bench() -> None:
    answer = _run("list", "--json")
    assert {one["bench"] for one in answer["benches"]} == set(all_benches())


def test_an_unknown_bench_is_refused() -> None:
    answered = CliRunner().invoke(app, ["bench", "nonsense"])
    assert answered.exit_code == 2
    assert "nonsense" in answered.output


@on_sqlite_alone
def test_what_waits_is_as_if_each_order_had_been_made(store: Store) -> None:
    """Copied rows are those of an order that is placed: model, key and worklist item agree."""
    number = seeding.A_DAY + 1
    seeding.wait(store, "main", 3)
    seeding.wait(store, "main", number + 1)
    order = seeding.the_order("main", number)
    with store.read() as session:
        row = session.get_one(OrderRow, order.key)
        item = session.exec(select(WorklistItem).where(WorklistItem.order_key == order.key)).one()
        assert len(session.exec(select(OrderRow.key)).all()) == number + 1
        patient = session.get_one(PatientRow, row.patient_id)
        named = select(PatientIdentifier.value).where(PatientIdentifier.patient_id == row.patient_id)
        assert session.exec(named).all() == [one.value for one in order.patient.identifiers]
    assert patient.document == order.patient.model_dump(mode="json")
    assert row.document == order.model_dump(mode="json")
    assert (row.accession_number, row.study_instance_uid) == (
        order.accession_number,
        order.study_instance_uid,
    )
    assert row.wake_at is None
    assert item.dataset == stored(worklist_items(order, ZoneInfo("UTC"))[0])
    assert item.scheduled_date == "20260106"
    assert row.created_at == datetime(2026, 1, 6, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("unit", "ours", "peer", "ratio"),
    [("messages/s", 10.0, 2.0, 5.0), ("seconds", 2.0, 10.0, 5.0), ("seconds", 2.0, None, None)],
)
def test_the_ratio_says_how_many_times_better_ours_is(
    unit: str, ours: float, peer: float | None, ratio: float | None
) -> None:
    assert Result("x", unit, ours, peer).ratio == ratio


@pytest.mark.parametrize(
    ("goal", "result", "met"),
    [
        (times_the_peer(5), Result("x", "orders/s", 10, 2), True),
        (times_the_peer(5), Result("x", "orders/s", 9, 2), False),
        (times_the_peer(5), Result("x", "orders/s", 9), None),
        (at_most(10), Result("x", "ms", 10), True),
        (at_most(10), Result("x", "ms", 11), False),
        (at_least(2), Result("x", "orders/s", 1), False),
    ],
)
def test_a_goal_is_met_missed_or_cannot_be_told(goal: Goal, result: Result, met: bool | None) -> None:
    assert goal.is_met(result) is met


@pytest.mark.parametrize(("power", "met"), [(0, True), (1, True), (2, False)])
def test_growth_beyond_n_log_n_misses_its_goal(power: int, met: bool) -> None:
    result = growth("x", {size: float(size) ** power for size in (1_000, 10_000, 100_000)})
    assert result.ours == pytest.approx(power)
    assert result.as_dict()["met"] is met


def test_n_log_n_meets_it() -> None:
    result = growth("x", {size: size * math.log(size) for size in (100, 1_000, 10_000)})
    assert result.as_dict()["met"] is True


def _run(*arguments: str) -> dict[str, Any]:
    answered = CliRunner().invoke(app, ["bench", *arguments])
    assert answered.exit_code == 0, answered.output
    answer: dict[str, Any] = json.loads(answered.stdout)
    return answer

"""An order's whole life, and what must not disturb it, with every process real."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import ArtifactSort

from radflow.order import Event
from radflow.settings import settings
from radflow.store import orders
from radflow.store.engine import store
from tests.e2e.conftest import Hospital, eventually


def steps_of(key: str) -> Counter[str]:
    """How often each step of an order was completed; receivers are told in each chapter anew."""
    with store().read() as session:
        log = orders.events_of(session, key)
    done = (line.step for line in log if line.event == Event.STEP_COMPLETED and line.step)
    return Counter(step for step in done if step != "tell_receivers")


def timeline_of(key: str) -> str:
    """The newest timeline artifact of an order, as the Prefect UI shows it."""
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[f"timeline-{key}"]))
    with get_client(sync_client=True) as client:
        newest = client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC, limit=1)
    return str(newest[0].data)


EACH_STEP_ONCE = {
    "put_on_worklist": 1,
    "describe_study": 1,
    "read_structured_reports": 1,
    "send_result": 1,
    "publish_to_fhir": 1,
    "write_to_warehouse": 1,
    "confirm_delivery": 1,
}

RESULT = ("DiagnosticReport", "ImagingStudy", "Patient", "ServiceRequest")
"""What an order's result has once; who and where are told beside it."""


def test_an_order_from_hl7_to_fhir(hospital: Hospital) -> None:
    """Received, worklisted, acquired, reported, published: ONE completed run, everyone has the result."""
    hospital.order(2, "LIFE")
    eventually(lambda: hospital.all_in("LIFE", 2, "worklisted"))
    items = hospital.worklist("LIFE")
    assert len(items) == 2
    for item in items:
        hospital.acquire(item)
    eventually(lambda: hospital.all_in("LIFE", 2, "acquired"))
    assert hospital.worklist("LIFE") == []
    hospital.report(items)
    eventually(lambda: hospital.all_in("LIFE", 2, "published"))

    runs = eventually(lambda: _completed(hospital, "LIFE", 2))
    rows = {row.key: row for row in hospital.rows("LIFE")}
    assert {str(run.id) for run in runs} == {row.run_id for row in rows.values()}
    for run in runs:
        row = rows[run.name]
        assert {"site:e2e", f"modality:{row.modality}", "stage:published"} <= set(run.tags)
        assert steps_of(row.key) == EACH_STEP_ONCE
        assert "study-found" in timeline_of(row.key)
        (resources,) = Path(settings().home / "fhir" / "e2e").rglob(f"{row.key}.ndjson")
        kinds = Counter(json.loads(line)["resourceType"] for line in resources.read_text().splitlines())
        assert {kind: kinds[kind] for kind in RESULT} == dict.fromkeys(RESULT, 1)
    assert len(hospital.results("LIFE")) == 2
    table = pd.read_parquet(settings().home / "warehouse" / "v1" / "orders")
    assert set(rows) <= set(table["order_key"])


def test_a_worker_killed_while_orders_wait_and_while_they_are_worked_on(hospital: Hospital) -> None:
    """SIGKILL at rest and in the middle of publishing: every order ends published, the EHR has each once."""
    hospital.order(4, "KILL")
    eventually(lambda: hospital.all_in("KILL", 4, "worklisted"))
    hospital.kill("worker")
    items = hospital.worklist("KILL")
    for item in items:
        hospital.acquire(item)
    hospital.report(items)
    hospital.service("worker").start()
    # Killed again with the first result on its way: some legs are cut off in the middle.
    eventually(lambda: hospital.results("KILL"))
    hospital.kill("worker")
    hospital.service("worker").start()
    eventually(lambda: hospital.all_in("KILL", 4, "published"))

    assert len(eventually(lambda: _completed(hospital, "KILL", 4))) == 4
    sent = Counter(message.split(b"|")[9] for message in hospital.results("KILL"))
    assert len(sent) == 4, "one message control ID an order, however often a cut-off leg has repeated it"
    assert all(set(steps_of(row.key).values()) == {1} for row in hospital.rows("KILL"))


def test_orders_that_come_while_prefect_is_down(hospital: Hospital) -> None:
    """Twenty orders are acknowledged without Prefect, and processed when it is back."""
    hospital.service("prefect-server").stop()
    hospital.order(20, "DOWN")
    eventually(lambda: len(hospital.rows("DOWN")) == 20)
    assert all(row.run_id is None for row in hospital.rows("DOWN"))
    hospital.service("prefect-server").start()
    eventually(lambda: hospital.all_in("DOWN", 20, "worklisted"))
    assert len(hospital.runs("DOWN")) == 20


def test_a_receiver_that_says_no_parks_the_order_until_it_is_woken(hospital: Hospital) -> None:
    """AE from the EHR: nothing is repeated by itself; woken by hand, the order goes on where it was."""
    hospital.ehr.answer = "AE"
    try:
        hospital.order(1, "PARK")
        (item,) = eventually(lambda: hospital.worklist("PARK"))
        hospital.acquire(item)
        # A report that came before the sweep has found the images would make the order look for them.
        eventually(lambda: hospital.all_in("PARK", 1, "acquired"))
        hospital.report([item])
        (row,) = eventually(lambda: [row for row in hospital.rows("PARK") if row.trouble and not row.leg])
        assert row.wake_at is None
        assert len(hospital.results("PARK")) == 1
    finally:
        hospital.ehr.answer = "AA"
    command = [sys.executable, "-m", "radflow", "orders", "wake", row.key, "--json"]
    woken = subprocess.run(command, check=True, capture_output=True, text=True)
    assert json.loads(woken.stdout)["key"] == row.key
    eventually(lambda: hospital.all_in("PARK", 1, "published"))
    assert steps_of(row.key) == EACH_STEP_ONCE


def test_a_corrected_report_is_published_by_a_run_of_its_own(hospital: Hospital) -> None:
    """C after publication: the order opens again, and the EHR gets the new version under a new MSH-10."""
    hospital.order(1, "CORR")
    (item,) = eventually(lambda: hospital.worklist("CORR"))
    hospital.acquire(item)
    hospital.report([item])
    eventually(lambda: hospital.all_in("CORR", 1, "published"))
    hospital.report([item], status="C")
    eventually(lambda: len(hospital.results("CORR")) == 2)
    eventually(lambda: hospital.all_in("CORR", 1, "published"))
    assert hospital.rows("CORR")[0].round == 2


def _completed(hospital: Hospital, prefix: str, count: int) -> list:  # type: ignore[type-arg]
    runs = hospital.runs(prefix)
    assert len(runs) <= count
    done = [run for run in runs if run.state_type is StateType.COMPLETED]
    return done if len(done) == count else []

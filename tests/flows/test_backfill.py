"""Backfills on a Prefect server of the tests' own: what they do, and that a cut-off one goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.testing.utilities import prefect_test_harness
from sqlmodel import select

from flows.backfill import (
    BackfillIncomplete,
    import_studies,
    rebuild_warehouse,
    remap,
    republish_fhir,
)
from radflow.connectors.archive import FakeArchive
from radflow.order import Event
from radflow.services.intake import take_in
from radflow.settings import _read_sites as read_sites
from radflow.settings import settings
from radflow.store import backfills, messages, orders, reports, studies
from radflow.store.backfills import BackfillBusy, ItemOutcome
from radflow.store.engine import Store
from radflow.store.tables import Backfill, BackfillItem, HistoricStudyRow, OrderEvent, OrderRow
from tasks.backfill import KINDS, ImportStudies, Pace, RebuildWarehouse, Remap, RepublishFhir
from tests.builders_inbox import arrival
from tests.builders_result import a_full_order, a_report, a_study
from tests.conftest import on_sqlite_alone
from tests.hl7_builders import an_orm, order_named

FIRST = datetime(2026, 11, 1, 8, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=300):
        yield


@pytest.fixture
def warehouse(installed: Path, tmp_path: Path) -> Path:
    """The warehouse of the one site, which has no FHIR server but files."""
    (installed / "main.toml").write_text(f"[warehouse]\nurl = '{tmp_path / 'warehouse'}'\n")
    return tmp_path / "warehouse" / "v1"


def reported(store: Store, count: int, days: int = 1) -> list[str]:
    """So many orders with images and a report, spread over so many days from the first of November on."""
    keys = []
    for number in range(count):
        at = FIRST + timedelta(days=number % days, seconds=number)
        order = a_full_order(f"B{number}", accession_number=f"A{number}", study_instance_uid=f"1.2.{number}")
        with store.write() as session:
            usual: dict[str, Any] = {"source": "test", "occurred_at": at, "now": at}
            orders.place(session, order, **usual)
            studies.save(session, order.key, a_study(f"1.2.{number}"), at)
            orders.record(session, order.key, Event.STUDY_FOUND, **usual)
            reports.save(session, order.key, a_report(), None, at)
            orders.record(session, order.key, Event.REPORT_RECEIVED, **usual)
        keys.append(order.key)
    return keys


def artifact(key: str) -> Any:
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    with get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=wanted)[0].data


def backfill_id(store: Store) -> int:
    with store.read() as session:
        (newest,) = backfills.newest(session, 1)
    assert newest.id
    return newest.id


def items(store: Store) -> dict[str, BackfillItem]:
    with store.read() as session:
        return {row.item: row for row in session.exec(select(BackfillItem))}


def test_the_warehouse_is_rebuilt(store: Store, warehouse: Path) -> None:
    """Every order is there once, on its day; a second time changes nothing; the UI shows how it went."""
    keys = reported(store, 30, days=5)
    what = RebuildWarehouse(site="main", until=date(2026, 11, 4))
    assert rebuild_warehouse(what, Pace(chunk=2)) == {"done": 4}
    table = pd.read_parquet(warehouse / "orders")
    assert set(table["order_key"]) == {key for number, key in enumerate(keys) if number % 5 < 4}
    assert len(table) == 24
    assert rebuild_warehouse(what) == {"done": 4}
    assert len(pd.read_parquet(warehouse / "turnaround")) == len(table) * 4
    assert "done" in artifact(f"backfill-{backfill_id(store)}")
    assert artifact(f"backfill-{backfill_id(store)}-progress") == 100


_KILLED = """
import os, sys, time
from flows.backfill import rebuild_warehouse
from tasks.backfill import KINDS, Kind, Pace, RebuildWarehouse, warehouse
count = 0
def slow(what, item):
    global count
    count += 1
    if count > 10:
        print("half-way", flush=True)
        time.sleep(600)
    return warehouse.do(what, item)
KINDS["rebuild-warehouse"] = Kind(RebuildWarehouse, warehouse.plan, slow)
rebuild_warehouse(RebuildWarehouse(site="main"), Pace(concurrency=1, chunk=1))
"""


def test_a_killed_backfill_goes_on_where_it_was(
    store: Store, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL half-way: what was done is not done again, and in the end the warehouse is whole."""
    reported(store, 300, days=30)
    monkeypatch.setenv("RADFLOW_LEG_LEASE_SECONDS", "1")
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PREFECT_API_URL": _api_url(), "RADFLOW_HOME": str(warehouse.parents[1])},
    ) as run:  # fmt: skip
        assert run.stdout
        assert any("half-way" in line for line in run.stdout)
        run.send_signal(signal.SIGKILL)
    before = items(store)
    assert sum(row.state == ItemOutcome.DONE for row in before.values()) == 10
    assert len(pd.read_parquet(warehouse / "orders")) == 100
    _free(store)
    done: list[str] = []
    _count(monkeypatch, done)
    assert rebuild_warehouse(RebuildWarehouse(site="main"), Pace(chunk=5)) == {"done": 30}
    assert len(done) == 20
    assert set(done).isdisjoint(item for item, row in before.items() if row.state == ItemOutcome.DONE)
    table = pd.read_parquet(warehouse / "orders")
    assert (len(table), table["order_key"].nunique()) == (300, 300)


def test_one_run_works_on_a_backfill(store: Store, warehouse: Path) -> None:
    """While another one is alive, a second run of the same parameters is refused, and says why."""
    what = RebuildWarehouse(site="main")
    with store.write() as session:
        backfills.begin(
            session, "rebuild-warehouse", what.model_dump(mode="json"), holder="other",
            now=datetime.now(UTC), lease=timedelta(minutes=5),
        )  # fmt: skip
    with pytest.raises(BackfillBusy, match="being worked on"):
        rebuild_warehouse(what)


def test_what_has_failed_is_tried_again(
    store: Store, warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day that cannot be written fails the run, with its reason; the next run does that day alone."""
    reported(store, 4, days=2)
    in_the_way = warehouse / "orders" / "site=main" / "day=2026-11-02"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("")
    with pytest.raises(BackfillIncomplete, match="1 items"):
        rebuild_warehouse(RebuildWarehouse(site="main"))
    assert items(store)["2026-11-02"].detail["reason"].startswith("warehouse: ")
    in_the_way.unlink()
    done: list[str] = []
    _count(monkeypatch, done)
    assert rebuild_warehouse(RebuildWarehouse(site="main")) == {"done": 2}
    assert done == ["2026-11-02"]


@on_sqlite_alone
def test_dask_and_threads_write_the_same(
    store: Store, warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a Dask cluster of processes of this machine, every table is as on threads."""
    pytest.importorskip("prefect_dask", reason="the extra `dask` is not installed")
    reported(store, 40, days=8)
    what, pace = RebuildWarehouse(site="main"), Pace(chunk=2)
    monkeypatch.setattr("tasks.warehouse.utc_now", lambda: FIRST + timedelta(days=60))
    assert rebuild_warehouse(what, pace) == {"done": 8}
    threads = {name: pd.read_parquet(warehouse / name) for name in ("orders", "series", "reports", "events")}
    for file in warehouse.rglob("*.parquet"):
        file.unlink()
    monkeypatch.setenv("RADFLOW_TASK_RUNNER", "dask")
    settings.cache_clear()
    assert rebuild_warehouse(what, pace) == {"done": 8}
    for name, table in threads.items():
        pd.testing.assert_frame_equal(pd.read_parquet(warehouse / name), table)


def test_fhir_is_published_anew(store: Store, warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders with a result are published; one that waits is not; a repeat writes nothing unless told."""
    monkeypatch.setenv("RADFLOW_HOME", str(warehouse.parents[1]))
    settings.cache_clear()
    keys = reported(store, 3)
    with store.write() as session:
        orders.place(session, a_full_order("open"), source="test", occurred_at=FIRST, now=FIRST)
    assert republish_fhir(RepublishFhir(site="main")) == {"done": 3}
    files = list((warehouse.parents[1] / "fhir" / "main").rglob("*.ndjson"))
    assert {file.stem for file in files} == set(keys)
    for file in files:
        file.unlink()
    assert republish_fhir(RepublishFhir(site="main")) == {"done": 3}
    assert not any(file.exists() for file in files)
    assert republish_fhir(RepublishFhir(site="main", anew=True)) == {"done": 3}
    assert all(file.exists() for file in files)


def test_historic_studies_are_imported(
    store: Store, warehouse: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study of no order goes to the warehouse, on its day; one of an order goes to its order."""
    with (installed / "main.toml").open("a") as file:
        file.write('[[archives]]\nkind = "dicomweb"\nname = "pacs"\nurl = "http://127.0.0.1:1"\n')
    order = a_full_order("H1", accession_number="AH1", study_instance_uid="1.2.77")
    at = datetime(2026, 11, 24, 9, tzinfo=UTC)
    with store.write() as session:
        orders.place(session, order, source="test", occurred_at=at, now=at)
    found = [a_study("1.2.77", accession_number="AH1"), a_study("1.9.1", accession_number="OLD1")]
    archive = FakeArchive(found)
    monkeypatch.setattr("tasks.backfill.studies.open_archive", lambda *_: archive)
    monkeypatch.setattr("tasks.look.open_archive", lambda *_: archive)
    day = date(2026, 11, 24)
    what = ImportStudies(site="main", archive="pacs", since=day, until=day)
    assert import_studies(what) == {"done": 1}
    assert import_studies(what) == {"done": 1}
    with store.read() as session:
        assert [row.study_instance_uid for row in session.exec(select(HistoricStudyRow))] == ["1.9.1"]
    table = pd.read_parquet(warehouse / "studies")
    assert sorted(table["order_key"].fillna("")) == ["", order.key]
    # The order's own is described when it is published.
    assert pd.read_parquet(warehouse / "series")["order_key"].isna().tolist() == [True]


def test_orders_are_mapped_with_new_tables(
    store: Store, warehouse: Path, installed: Path, now: datetime
) -> None:
    """A dry run shows the differences and changes nothing; applied, that order alone is changed."""
    with store.write() as session:
        head = order_named("R2")
        head["OBR"][4] = "MRHEAD^MR head^L"
        messages.keep(session, [arrival(an_orm("M1"), now), arrival(an_orm("M2", changes=head), now)])
    take_in(store, settings().sites, now)
    with (installed / "main.toml").open("a") as file:
        file.write('[[tables]]\nname = "procedures"\npath = "OBR-4"\ncodes = { "CTCHEST" = "CT-THORAX" }\n')
    read_sites.cache_clear()
    dry = Remap(site="main")
    assert remap(dry) == {"changed": 1, "done": 1}
    (changed,) = [row for row in items(store).values() if row.state == ItemOutcome.CHANGED]
    assert changed.detail == {"differences": [["procedure.code", "CTCHEST", "CT-THORAX"]]}
    assert codes(store) == ["CTCHEST", "MRHEAD"]
    assert remap(Remap(site="main", dry_run=False)) == {"changed": 1, "done": 1}
    assert codes(store) == ["CT-THORAX", "MRHEAD"]
    with store.read() as session:
        changes = session.exec(select(OrderEvent).where(OrderEvent.event == Event.ORDER_CHANGED)).all()
    assert [event.source for event in changes] == ["backfill:remap"]


def codes(store: Store) -> list[str]:
    with store.read() as session:
        return sorted(row.document["procedure"]["code"] for row in session.exec(select(OrderRow)))


def _count(monkeypatch: pytest.MonkeyPatch, done: list[str]) -> None:
    """Note each item that is done from now on."""
    kind = KINDS["rebuild-warehouse"]

    def counting(what: Any, item: str) -> Any:
        done.append(item)
        return kind.do(what, item)

    monkeypatch.setitem(KINDS, "rebuild-warehouse", replace(kind, do=counting))


def _free(store: Store) -> None:
    """What the killed run held is free: its lease, and that of the day it was writing, is over."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        with store.read() as session:
            until = session.exec(select(Backfill.leased_until)).one()
        if until is None or until < datetime.now(UTC):
            return
        time.sleep(0.1)


def _api_url() -> str:
    with get_client(sync_client=True) as client:
        return str(client.api_url)

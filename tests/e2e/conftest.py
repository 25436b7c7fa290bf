"""A whole radflow on free loopback ports, with real Prefect, and a hospital that the test plays."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.context import refresh_global_settings_context
from pydicom import Dataset
from sqlmodel import select

from radflow.connectors.mllp import FakeReceiver, MllpClient
from radflow.settings import LOOPBACK, settings
from radflow.simulators import ehr, ris
from radflow.simulators.archive import SimulatedArchive
from radflow.simulators.modality import acquire, ask_worklist
from radflow.simulators.ports import free_port
from radflow.simulators.site_file import write_site
from radflow.store.engine import Store, store
from radflow.store.tables import OrderRow
from radflow.up import Service, Site

SWEEP_SECONDS = 4
PATIENCE = 240
"""Seconds that anything asynchronous may take on a slow machine; nothing waits for so long when it works."""


def eventually(question: Callable[[], Any], within: float = PATIENCE) -> Any:
    """The first true answer. Fails when there is none within the time."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        if answer := question():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"not within {within} s: {question.__qualname__}")


@dataclass
class Hospital:
    """radflow's services, and the other side of every wire."""

    site: Site
    archive: SimulatedArchive
    ehr: FakeReceiver
    mllp_port: int
    worklist_port: int

    @property
    def store(self) -> Store:
        return store()

    def send(self, messages: list[bytes]) -> None:
        """Send HL7 and see every message acknowledged with AA."""
        with MllpClient(LOOPBACK, self.mllp_port) as client:
            for message in messages:
                client.send(message)

    def order(self, count: int, prefix: str) -> list[str]:
        """Place new orders; returns their placer order numbers."""
        self.send(ehr.orders(count, datetime.now(UTC), prefix))
        return [f"{prefix}{number:05}" for number in range(1, count + 1)]

    def rows(self, prefix: str) -> list[OrderRow]:
        with self.store.read() as session:
            query = select(OrderRow).where(OrderRow.placer_order_number.startswith(prefix))
            return list(session.exec(query))

    def all_in(self, prefix: str, count: int, state: str) -> bool:
        """Whether that many orders rest in the state, no leg at work on them."""
        rows = self.rows(prefix)
        return len(rows) == count and all(row.state == state and row.leg is None for row in rows)

    def worklist(self, prefix: str) -> list[Dataset]:
        accessions = {row.accession_number for row in self.rows(prefix)}
        items = ask_worklist(LOOPBACK, self.worklist_port, "RADFLOW")
        return [item for item in items if item.AccessionNumber in accessions]

    def acquire(self, item: Dataset) -> None:
        acquire(item, LOOPBACK, self.archive.port, self.archive.ae_title)

    def report(self, items: list[Dataset], status: str = "F") -> None:
        self.send([ris.report(item, datetime.now(UTC), status) for item in items])

    def runs(self, prefix: str) -> list[FlowRun]:
        """Every Prefect run of the orders, found by name."""
        names = [row.key for row in self.rows(prefix)]
        with get_client(sync_client=True) as client:
            return client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=names)))

    def results(self, prefix: str) -> list[bytes]:
        """What the EHR has got of these orders."""
        return [message for message in self.ehr.messages if f"|{prefix}0".encode() in message]

    def service(self, name: str) -> Service:
        return self.site.service(name)

    def kill(self, name: str) -> None:
        """SIGKILL the service and every process it has started."""
        process = self.service(name).process
        assert process is not None
        for pid in [process.pid, *descendants(process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="package")
def hospital(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[Hospital]:
    """Everything up; tests tell their orders apart by the prefix of their numbers.

    Prefect is on PostgreSQL here: a thousand runs and killed clients in a few minutes are more than its
    SQLite takes (writers wait for each other, a minute at a time). The demo's test has it on SQLite.
    """
    home = tmp_path_factory.mktemp("hospital")
    with (
        pytest.MonkeyPatch.context() as patch,
        SimulatedArchive(home / "archive") as archive,
        FakeReceiver() as ehr_,
    ):
        for name in [name for name in os.environ if name.startswith(("RADFLOW_", "PREFECT_"))]:
            patch.delenv(name)
        for name, value in {
            "RADFLOW_HOME": str(home),
            "RADFLOW_SITES_DIR": str(home / "sites"),
            "RADFLOW_LEG_LEASE_SECONDS": "6",
            "RADFLOW_RETRY_SECONDS": "1",
            "PREFECT_API_DATABASE_CONNECTION_URL": _prefect_database(postgres_server),
        }.items():
            patch.setenv(name, value)
        settings.cache_clear()
        store.cache_clear()
        mllp_port, worklist_port = free_port(), free_port()
        write_site(
            home / "sites" / "e2e.toml",
            archive_port=archive.port,
            archive_ae_title=archive.ae_title,
            ehr_port=ehr_.port,
            mllp_port=mllp_port,
            worklist_port=worklist_port,
        )
        site = Site(free_port(), SWEEP_SECONDS)
        try:
            site.start(lambda _: None)
            yield Hospital(site, archive, ehr_, mllp_port, worklist_port)
        finally:
            site.stop()
            for name in [name for name in os.environ if name.startswith("PREFECT_")]:
                del os.environ[name]
            refresh_global_settings_context()
            settings.cache_clear()
            store.cache_clear()


def _prefect_database(server: str) -> str:
    dsn = server.format(database="postgres").replace("+psycopg", "")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS prefect")
        connection.execute("CREATE DATABASE prefect")
    return server.format(database="prefect").replace("+psycopg", "+asyncpg")


def descendants(pid: int) -> list[int]:
    """The processes that this one has started, and theirs."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in map(int, children) for found in (child, *descendants(child))]

"""A whole radflow, as `radflow up` runs it, with Prefect on PostgreSQL, and a hospital that a bench plays."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
from prefect.context import refresh_global_settings_context
from sqlalchemy.engine import make_url
from sqlmodel import col, func, select

from radflow.bench import stores
from radflow.bench.registry import Place
from radflow.connectors.mllp import FakeReceiver, MllpClient
from radflow.settings import LOOPBACK, settings
from radflow.simulators import ehr
from radflow.simulators.archive import SimulatedArchive
from radflow.simulators.ports import free_port
from radflow.simulators.site_file import write_site
from radflow.store.engine import Store, store
from radflow.store.tables import OrderRow
from radflow.up import Site

PATIENCE = 1800
"""Seconds after which a bench gives up."""


class Hospital:
    """radflow's services, and the other side of every wire."""

    def __init__(self, site: Site, store: Store, archive: SimulatedArchive, mllp: int, worklist: int) -> None:
        self.site = site
        self.store = store
        self.archive = archive
        self.worklist = worklist
        self._mllp = mllp

    def send(self, messages: list[bytes]) -> None:
        """Send HL7, each acknowledged with AA."""
        with MllpClient(LOOPBACK, self._mllp) as client:
            for message in messages:
                client.send(message)

    def order(self, count: int, prefix: str) -> None:
        """Place orders whose placer order numbers begin so."""
        self.send(ehr.orders(count, datetime.now(UTC), prefix))

    def wait(self, prefix: str, count: int, state: str) -> None:
        """Until so many of these orders rest in the state."""
        query = select(func.count()).where(
            OrderRow.placer_order_number.startswith(prefix),
            OrderRow.state == state,
            col(OrderRow.leg).is_(None),
        )

        def rest() -> bool:
            with self.store.read() as session:
                return session.exec(query).one() >= count

        until(rest, every=0.1)

    def cpu(self, *services: str) -> float:
        """CPU seconds that these services, or all, have used, with every process that they have started."""
        wanted = [service for service in self.site.services if not services or service.name in services]
        return sum(cpu_of(service.process.pid) for service in wanted if service.process)


@contextmanager
def hospital(place: Place, sweep_seconds: float = 10) -> Iterator[Hospital | None]:
    """Everything up on free ports of the loopback address; None where there is no PostgreSQL.

    Prefect asks for its deployments' schedules as in production.

    Args:
        sweep_seconds: how often the archive is asked.
    """
    with stores.postgresql(place) as database:
        if database is None:
            yield None
            return
        home = place.folder / uuid4().hex
        with (
            _database_beside(database.url) as prefect,
            SimulatedArchive(home / "archive") as archive,
            FakeReceiver() as receiver,
            _environment(home, database.url, prefect),
        ):
            mllp, worklist = free_port(), free_port()
            write_site(
                home / "sites" / "bench.toml",
                archive_port=archive.port,
                archive_ae_title=archive.ae_title,
                ehr_port=receiver.port,
                mllp_port=mllp,
                worklist_port=worklist,
            )
            site = Site(free_port(), sweep_seconds=sweep_seconds)
            try:
                site.start(place.say)
                yield Hospital(site, database, archive, mllp, worklist)
            finally:
                site.stop()


def until(happened: Callable[[], bool], every: float) -> None:
    """Ask until it has happened.

    Raises:
        TimeoutError: it has not within half an hour.
    """
    give_up = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > give_up:
            raise TimeoutError(f"a bench has waited for {PATIENCE} s")
        time.sleep(every)


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and of all that it has started, those that have ended included (proc(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    # utime, stime, and those of children that have been waited for.
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(cpu_of, children))


@contextmanager
def _environment(home: Path, database: str, prefect: str) -> Iterator[None]:
    """What `radflow up` and its services read, and what was there before when they have ended."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("RADFLOW_", "PREFECT_"))]:
        del os.environ[name]
    os.environ.update(
        RADFLOW_HOME=str(home),
        RADFLOW_SITES_DIR=str(home / "sites"),
        RADFLOW_DATABASE_URL=database,
        PREFECT_API_DATABASE_CONNECTION_URL=prefect,
    )
    settings.cache_clear()
    store.cache_clear()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        refresh_global_settings_context()
        settings.cache_clear()
        store.cache_clear()


@contextmanager
def _database_beside(url: str) -> Iterator[str]:
    """URL of a database of Prefect's own in the store's server."""
    name = f"prefect_{uuid4().hex[:12]}"
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        beside = make_url(url).set(drivername="postgresql+asyncpg", database=name)
        try:
            yield beside.render_as_string(hide_password=False)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

"""`radflow demo`: all of radflow with a simulated hospital around it, from order to published result."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydicom import Dataset
from rich.console import Console
from rich.live import Live
from rich.table import Table
from sqlmodel import select

from radflow.clock import utc_now
from radflow.connectors.mllp import FakeReceiver, MllpClient
from radflow.order import Event, State
from radflow.settings import LOOPBACK, settings
from radflow.simulators import ehr, ris
from radflow.simulators.any_archive import AnArchive, any_archive
from radflow.simulators.modality import acquire, ask_worklist
from radflow.simulators.ports import free_port
from radflow.simulators.site_file import write_site
from radflow.store import orders
from radflow.store.engine import store
from radflow.store.tables import OrderRow
from radflow.up import Site, run_until_told

SITE = "demo"
READING_TIME = timedelta(seconds=12)
"""How long the simulated radiologist looks at a study."""
SWEEP_SECONDS = 3
GIVES_UP_AFTER = 300
"""Seconds a demo may take after its services are up, plus ten for each order."""


@dataclass
class Hospital:
    """The other side of every wire."""

    archive: AnArchive
    ports: dict[str, int]
    results: FakeReceiver
    stop: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        """Modality and RIS: image what the worklist shows, report each study a while later."""
        imaged: set[str] = set()
        to_read: list[tuple[float, Dataset]] = []
        while not self.stop.wait(1.0):
            for step in ask_worklist(LOOPBACK, self.ports["worklist"], "RADFLOW"):
                if step.AccessionNumber not in imaged:
                    acquire(step, LOOPBACK, self.archive.port, self.archive.ae_title)
                    imaged.add(step.AccessionNumber)
                    to_read.append((time.monotonic() + READING_TIME.total_seconds(), step))
            due = [step for at, step in to_read if at <= time.monotonic()]
            to_read = [(at, step) for at, step in to_read if at > time.monotonic()]
            self.send([ris.report(step, utc_now()) for step in due])

    def send(self, messages: list[bytes]) -> None:
        """Send HL7 messages over one connection; every one must be acknowledged with AA."""
        with MllpClient(LOOPBACK, self.ports["mllp"], timeout=30) as client:
            for message in messages:
                client.send(message)


def demo_environment() -> None:
    """Give the demo a folder, a store and a Prefect of its own, beside whatever else runs here."""
    home = settings().home.resolve() / f"demo-{utc_now():%Y%m%d-%H%M%S}"
    for name in [name for name in os.environ if name.startswith(("RADFLOW_", "PREFECT_"))]:
        del os.environ[name]
    os.environ |= {
        "RADFLOW_HOME": str(home),
        "RADFLOW_SITES_DIR": str(home / "sites"),
        "RADFLOW_LOG_LEVEL": "WARNING",
    }
    settings.cache_clear()


def run_demo(count: int, *, keep_running: bool, console: Console, prefect_port: int = 0) -> dict[str, Any]:
    """Drive `count` orders through their life and say what became of them.

    Returns:
        `{"ok", "orders": [{"accession_number", "study_instance_uid", "flow_run_id", "stages", "published"}]}`
    """
    with ExitStack() as stack:
        hospital = stack.enter_context(_hospital())
        console.print(_what_is_real(hospital), highlight=False)
        site = Site(prefect_port or free_port(), SWEEP_SECONDS)
        stack.callback(site.stop)
        site.start(console.print)
        for what, where in site.addresses().items():
            console.print(f"  {what:<26} {where}", highlight=False, soft_wrap=True)
        hospital.send(ehr.orders(count, utc_now()))
        worker = threading.Thread(target=hospital.work, daemon=True)
        worker.start()
        done = _watch(count, site, console)
        hospital.stop.set()
        worker.join()
        answer = {"ok": done and len(hospital.results.messages) == count, "orders": _orders()}
        _say_where(console, site, hospital, ok=bool(answer["ok"]))
        if keep_running:
            console.print("Still running; Ctrl-C stops it.")
            run_until_told(site)
        return answer


@contextmanager
def _hospital() -> Iterator[Hospital]:
    ports = {name: free_port() for name in ("mllp", "worklist")}
    folder = settings().home.resolve()
    with ExitStack() as stack:
        archive = stack.enter_context(any_archive(folder / "archive"))
        results = stack.enter_context(FakeReceiver())
        write_site(
            settings().sites_dir / f"{SITE}.toml",
            archive_port=archive.port,
            archive_ae_title=archive.ae_title,
            ehr_port=results.port,
            mllp_port=ports["mllp"],
            worklist_port=ports["worklist"],
        )
        yield Hospital(archive, ports, results)


def _watch(count: int, site: Site, console: Console) -> bool:
    """Show the orders until all are published, or too much time has passed."""
    until = time.monotonic() + GIVES_UP_AFTER + 10 * count
    with Live(_table(), console=console, refresh_per_second=2) as live:
        while time.monotonic() < until:
            live.update(_table())
            site.look_after()
            with store().read() as session:
                rows = session.exec(select(OrderRow)).all()
            if len(rows) == count and all(row.state == State.PUBLISHED and row.leg is None for row in rows):
                live.update(_table())
                return True
            time.sleep(0.5)
    return False


def _table() -> Table:
    table = Table("order", "modality", *orders.STAGES)
    with store().read() as session:
        for row in session.exec(select(OrderRow).order_by(OrderRow.key)):
            stages = orders.stages_of(session, row.key)
            times = (f"{stages[name]:%H:%M:%S}" if name in stages else "" for name in orders.STAGES)
            table.add_row(row.key, row.modality, *times)
    return table


def _orders() -> list[dict[str, Any]]:
    with store().read() as session:
        return [
            {
                "accession_number": row.accession_number,
                "study_instance_uid": row.study_instance_uid,
                "flow_run_id": row.run_id,
                "stages": {name: at.isoformat() for name, at in orders.stages_of(session, row.key).items()},
                "published": [
                    reference
                    for line in orders.events_of(session, row.key)
                    if line.event == Event.STEP_COMPLETED and line.step == "publish_to_fhir"
                    for reference in line.detail["published"]
                ],
            }
            for row in session.exec(select(OrderRow).order_by(OrderRow.key))
        ]


def _what_is_real(hospital: Hospital) -> str:
    missing = "" if hospital.archive.is_orthanc else " (no Orthanc found)"
    return (
        "Real: HL7 over MLLP, DICOM worklist and storage, C-FIND, Prefect's server and worker, the store,\n"
        f"      FHIR R4 resources, parquet. The archive is {hospital.archive.what_it_is}{missing}.\n"
        "Simulated: the EHR, the modality and the RIS on the other side; the patients do not exist."
    )


def _say_where(console: Console, site: Site, hospital: Hospital, *, ok: bool) -> None:
    home = settings().home.resolve()
    say: Callable[[str], None] = lambda text: console.print(text, highlight=False, soft_wrap=True)  # noqa: E731
    say("Every order is published." if ok else f"Not every order came to its end; see {site.logs}")
    say(f"  results taken by the EHR   {len(hospital.results.messages)}")
    say(f"  FHIR resources             {home / 'fhir'}")
    say(f"  warehouse                  {home / 'warehouse'}")
    say(f"  store                      {settings().store_url}")

"""Races show themselves once in thousands: not one answer may be wrong, empty or missing.

`pytest tests/soak --soak 50000 -s`. Peers are real, and run in processes of their own where they can: our
client beside them shares its process with nobody.
"""

import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom.sop_class import ModalityWorklistInformationFind as WorklistFind  # type: ignore[attr-defined]

from mappings.dicom.worklist import worklist_items
from radflow.connectors.dimse import DimseClient
from radflow.connectors.storage_commitment import ask_for_commitment
from radflow.connectors.wanted import Wanted
from radflow.services.worklist import start
from radflow.settings import LOOPBACK, DimseArchive, Site, Worklist
from radflow.simulators.modality import connected, make_study, store_study
from radflow.store.engine import Store
from tests import peers
from tests.builders import an_order
from tests.conftest import on_sqlite_alone
from tests.services.worklisted import names_asked, put_in
from tests.tasks.test_commit_storage import all_committed, archive

TODAY = date(2026, 11, 24)
ITEMS, STUDIES, AT_ONCE = 1000, 40, 4
AN_ASSOCIATION = 100
"""Worklist queries on one; each C-FIND of our archive client has an association of its own."""

pytestmark = pytest.mark.timeout(0)


@on_sqlite_alone
def test_the_worklist(store: Store, now: datetime, times: int) -> None:
    """One of a thousand items is asked for, over four associations at once: it is the one answer."""
    with store.write() as session:
        for number in range(ITEMS):
            put_in(session, now, f"P{number}")
    with a_worklist_process(store.url) as port:

        def ask_some(seed: int) -> int:
            chance = random.Random(seed)  # noqa: S311
            with connected(LOOPBACK, port, "RADFLOW", "MODALITY", [WorklistFind]) as opened:
                for _ in range(AN_ASSOCIATION):
                    number = f"AP{chance.randrange(ITEMS)}"
                    query = names_asked(AccessionNumber=number)
                    answers = list(opened.send_c_find(query, WorklistFind))
                    told = [(int(s.Status), a and str(a.AccessionNumber)) for s, a in answers]
                    assert told == [(0xFF00, number), (0x0000, None)]
            return AN_ASSOCIATION

        soak("worklist", times, ask_some)


@pytest.mark.parametrize("kind", ["orthanc", "dcmqrscp"])
def test_c_find_by_our_client(kind: str, times: int, now: datetime, tmp_path: Path) -> None:
    """A study that the archive has is found by each query, and one that it has not by none."""
    with a_peer(kind, tmp_path) as settings:
        uids = [str(generate_uid(entropy_srcs=["soak", str(number)])) for number in range(STUDIES)]
        for uid in uids:
            store_study(a_study(uid, now), LOOPBACK, settings.port, settings.ae_title)
        client = DimseClient(settings, ZoneInfo("UTC"))

        def ask_one(seed: int) -> int:
            uid = random.Random(seed).choice(uids)  # noqa: S311
            wanted = [Wanted(uid, "", TODAY), Wanted("1.2.3", "", TODAY)]
            assert [found.study_instance_uid for found in client.find_studies(wanted, TODAY)] == [uid]
            return 1

        soak(f"C-FIND of {kind}", times, ask_one)


def test_storage_commitment(times: int) -> None:
    """Each report that an archive sends on the association of the request is heard, and the release ends."""
    request = Dataset()
    request.TransactionUID = generate_uid()
    one = Dataset()
    one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.1"
    request.ReferencedSOPSequence = [one]
    with archive(all_committed) as port:
        settings = DimseArchive(kind="dimse", name="pacs", host=LOOPBACK, port=port, ae_title="ORTHANC")

        def ask_one(_: int) -> int:
            heard: list[Dataset] = []
            assert ask_for_commitment(settings, request, heard.append)
            assert [len(report.ReferencedSOPSequence) for report in heard] == [1]
            return 1

        # The simulated archive can tell one association from the next, and no two at once.
        soak("storage commitment", times, ask_one, at_once=1)


def soak(what: str, times: int, ask: Callable[[int], int], at_once: int = AT_ONCE) -> None:
    """Ask until it was asked so often, by some threads at once; prints how fast it went."""
    begun, asked = time.perf_counter(), 0
    with ThreadPoolExecutor(at_once) as pool:
        seed = 0
        while asked < times:
            asked += sum(pool.map(ask, range(seed, seed + at_once * 8)))
            seed += at_once * 8
    seconds = time.perf_counter() - begun
    print(f"\n{what}: {asked} asked, all answered rightly, {asked / seconds:.0f} a second")  # noqa: T201


@contextmanager
def a_worklist_process(database_url: str) -> Iterator[int]:
    """radflow's worklist in a process of its own; its port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(database_url, theirs))
    process.start()
    try:
        yield int(ours.recv())
    finally:
        ours.send("stop")
        process.join(20)
        process.kill()


def _serve(database_url: str, parent: Connection) -> None:
    running = start(Site(name="main", worklist=Worklist(port=0)), Store(database_url))
    parent.send(running.port)
    parent.recv()
    running.stop()


@contextmanager
def a_peer(kind: str, folder: Path) -> Iterator[DimseArchive]:
    """An archive, as a site file would name it."""
    with ExitStack() as stack:
        if kind == "orthanc":
            orthanc = stack.enter_context(peers.orthanc(folder / kind))
            port, ae_title = orthanc.dicom_port, orthanc.ae_title
        else:
            legacy = stack.enter_context(peers.dcmqrscp(folder / kind))
            port, ae_title = legacy.port, legacy.ae_title
        yield DimseArchive(kind="dimse", name=kind, host=LOOPBACK, port=port, ae_title=ae_title)


def a_study(uid: str, now: datetime) -> list[Dataset]:
    (item,) = worklist_items(an_order(study_instance_uid=uid), ZoneInfo("UTC"))
    return make_study(item, now)[:1]

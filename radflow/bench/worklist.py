"""How fast the worklist answers a modality, however much is on it."""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom import Dataset
from pynetdicom.sop_class import ModalityWorklistInformationFind as WorklistFind  # type: ignore[attr-defined]
from sqlmodel import col, select

from mappings.dicom.items import loaded
from mappings.dicom.wl_files import wl_file
from radflow.bench import seeding, stores
from radflow.bench.processes import Wait, beside, program
from radflow.bench.registry import Goal, Place, Result, bench, growth, times_the_peer
from radflow.connectors.worklists.wl_files import LOCK_FILE
from radflow.services.worklist import start
from radflow.settings import LOOPBACK, Site, Worklist
from radflow.simulators.modality import connected, worklist_query
from radflow.simulators.orthanc import find_orthanc, running_orthanc
from radflow.simulators.ports import free_port
from radflow.store.engine import Store
from radflow.store.tables import WorklistItem

SITE = "bench"
PEERS_AT = 10_000
"""Entries with which the peers are measured: with more they answer no more than once in ten seconds."""

_DAY = seeding.FIRST_DAY.date()
_PENDING = (0xFF00, 0xFF01)
_LEAST = 3
"""Queries of a kind at least, however long they take."""
_MOST_ROWS = 1_000
_PLUGIN = Path("/usr/share/orthanc/plugins/libModalityWorklists.so")


@bench("worklist", size="entries", sizes=(100, 1_000, 10_000, 100_000))
def worklist(sizes: Sequence[int], place: Place) -> Iterator[Result]:
    """Seconds of a C-FIND for one entry, and of a day's list, on worklists of several sizes."""
    one_hit, a_day = {}, {}
    for size in sizes:
        with stores.sqlite(place) as store:
            place.say(f"worklist of {size}")
            seeding.wait(store, SITE, size)
            with beside(_serve_ours, store.url) as port:
                one_hit[size], a_day[size] = _asked("RADFLOW", port, size, place)
            peers = dict(_peers(store, size, place)) if size == PEERS_AT else {}
            yield from _compared(f"one hit of {size}", one_hit[size], peers, 0, times_the_peer(50))
            listed = min(size, seeding.A_DAY)
            yield from _compared(f"day list: {listed} of {size}", a_day[size], peers, 1)
    if len(sizes) > 1:
        yield growth("one hit", one_hit)
    if {1_000, 100_000} <= one_hit.keys():
        least = one_hit[1_000]
        goal = Goal("≤ 2× that at 1000", lambda result: result.ours <= 2 * least)
        yield Result("one hit of 100000, times that of 1000", "seconds", one_hit[100_000], goal=goal)


def _compared(
    case: str, seconds: float, peers: Mapping[str, tuple[float, float]], which: int, goal: Goal | None = None
) -> Iterator[Result]:
    if not peers:
        yield Result(case, "seconds", seconds)
    for name, theirs in peers.items():
        yield Result(case, "seconds", seconds, theirs[which], name, goal)


def _asked(ae_title: str, port: int, size: int, place: Place) -> tuple[float, float]:
    """Seconds of a query for one accession number and for the first day, on one association each."""
    numbers = itertools.count(size // 2)

    def one() -> tuple[Dataset, int]:
        number = seeding.the_order(SITE, next(numbers) % size).accession_number
        return worklist_query(accession_number=number), 1

    def a_day() -> tuple[Dataset, int]:
        return worklist_query(_DAY), min(size, seeding.A_DAY)

    return _timed(ae_title, port, one, place), _timed(ae_title, port, a_day, place)


def _timed(ae_title: str, port: int, query: Callable[[], tuple[Dataset, int]], place: Place) -> float:
    """The median query's seconds.

    Raises:
        RuntimeError: an answer is not as long as it has to be.
    """
    taken: list[float] = []
    give_up = time.monotonic() + place.seconds
    with connected(LOOPBACK, port, ae_title, "MODALITY", [WorklistFind]) as association:
        while len(taken) < _LEAST or time.monotonic() < give_up:
            identifier, expected = query()
            begun = time.perf_counter()
            answers = [
                status.get("Status") for status, _ in association.send_c_find(identifier, WorklistFind)
            ]
            taken.append(time.perf_counter() - begun)
            if answers[-1:] != [0x0000] or sum(answer in _PENDING for answer in answers) != expected:
                raise RuntimeError(f"{ae_title} gave {len(answers) - 1} answers and not {expected}")
    return sorted(taken)[len(taken) // 2]


def _serve_ours(tell: Callable[[int], None], wait: Wait, database_url: str) -> None:
    store = Store(database_url)
    running = start(Site(name=SITE, worklist=Worklist(port=0)), store)
    tell(running.port)
    wait()
    running.stop()
    store.close()


def _peers(store: Store, size: int, place: Place) -> Iterator[tuple[str, tuple[float, float]]]:
    """Each peer that is installed, with the same entries."""
    folder = place.folder / "worklists"
    entries = folder / "BENCH"
    entries.mkdir(parents=True)
    (entries / LOCK_FILE).touch()
    for name, item in _items(store):
        (entries / name).write_bytes(wl_file(item, name))
    if shutil.which("wlmscpfs"):
        with _wlmscpfs(folder) as port:
            place.say(f"wlmscpfs with {size}")
            yield "wlmscpfs", _asked("BENCH", port, size, place)
    else:
        place.say("wlmscpfs is left out: apt install dcmtk")
    if find_orthanc() and _PLUGIN.exists():
        options = {
            "Plugins": [str(_PLUGIN)],
            "Worklists": {"Enable": True, "Database": str(entries)},
            "DicomAlwaysAllowFindWorklist": True,
        }
        with running_orthanc(place.folder / "orthanc", options) as orthanc:
            place.say(f"Orthanc's worklist with {size}")
            yield "Orthanc", _asked(orthanc.ae_title, orthanc.dicom_port, size, place)
    else:
        place.say("Orthanc is left out: apt install orthanc")


def _items(store: Store) -> Iterator[tuple[str, Dataset]]:
    last = 0
    while True:
        with store.read() as session:
            rows = session.exec(
                select(WorklistItem)
                .where(col(WorklistItem.id) > last)
                .order_by(col(WorklistItem.id))
                .limit(_MOST_ROWS)
            ).all()
        if not rows:
            return
        for row in rows:
            yield f"{row.order_key}.wl", loaded(row.dataset)
        last = rows[-1].id or 0


@contextmanager
def _wlmscpfs(folder: Path) -> Iterator[int]:
    port = free_port()
    command = ["wlmscpfs", "-dfp", folder, "-csk", port]
    with program(command, folder / "log", port=port):
        yield port

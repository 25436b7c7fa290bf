"""Studies moved between real archives, as their ledger says: every way there is, and killed half-way."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from radflow.clock import utc_now
from radflow.connectors.transfer.search import search_studies
from radflow.settings import LOOPBACK, DicomWebArchive, DimseArchive, Site
from radflow.settings.routing import MoveReceiver, Routing
from radflow.simulators.ports import free_port
from radflow.store import transfers
from radflow.store.engine import Store
from radflow.store.tables import TransferRow
from radflow.store.transfers import TransferState
from tasks.moving import Mover
from tests import images, peers
from tests.conftest import on_sqlite_alone

STUDIES, INSTANCES = 40, 3


@dataclass(frozen=True)
class Archives:
    """A legacy archive with studies, and an Orthanc."""

    legacy_port: int
    orthanc_port: int
    http_url: str
    receiver_port: int

    @property
    def dicomweb_url(self) -> str:
        return f"{self.http_url}/dicom-web"

    def site(self, **routing: Any) -> Site:
        """Both, each spoken to in every way it knows."""
        legacy = DimseArchive(
            kind="dimse", name="legacy", host=LOOPBACK, port=self.legacy_port, ae_title="DCMQRSCP"
        )
        receiver = MoveReceiver(port=self.receiver_port, ae_title="RADFLOW")
        return Site(
            name="main",
            routing=Routing(receiver=receiver, **routing),
            archives=(
                legacy,
                legacy.model_copy(update={"name": "legacy-c-move", "retrieve_by": "c-move"}),
                legacy.model_copy(update={"name": "legacy-direct", "retrieve_by": "c-move-direct"}),
                DimseArchive(
                    kind="dimse", name="orthanc", host=LOOPBACK, port=self.orthanc_port, ae_title="ORTHANC"
                ),
                DicomWebArchive(kind="dicomweb", name="cloud", url=self.dicomweb_url),
            ),
        )

    def in_orthanc(self) -> list[str]:
        """SOP Instance UIDs of everything there."""
        found = httpx.get(f"{self.http_url}/instances", params={"expand": ""}).json()
        return sorted(one["MainDicomTags"]["SOPInstanceUID"] for one in found)

    def empty_orthanc(self) -> None:
        """Delete everything."""
        for study in httpx.get(f"{self.http_url}/studies").json():
            httpx.delete(f"{self.http_url}/studies/{study}").raise_for_status()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archives]:
    folder, receiver_port = tmp_path_factory.mktemp("archives"), free_port()
    with peers.orthanc(folder / "orthanc") as orthanc:
        knows = {"RADFLOW": receiver_port, "ORTHANC": orthanc.dicom_port}
        with peers.dcmqrscp(folder / "legacy", knows) as legacy:
            everything = [one for number in range(STUDIES) for one in images.small_study(number, INSTANCES)]
            images.stored(everything, folder / "files", legacy.port, legacy.ae_title)
            yield Archives(legacy.port, orthanc.dicom_port, orthanc.http_url, receiver_port)


@pytest.fixture
def archives(running: Archives) -> Archives:
    running.empty_orthanc()
    return running


def ask(
    store: Store, studies: Sequence[int], source: str, target: str, now: datetime, site: str = "main"
) -> None:
    with store.write() as session:
        uids = [images.study_uid(number) for number in studies]
        transfers.add(session, site, uids, source=source, target=target, why="test", now=now)


def mover(site: Site, store: Store, folder: Path, now: datetime) -> Mover:
    return Mover(site, store, folder / "moving", clock=lambda: now)


def ledger(store: Store) -> list[TransferRow]:
    with store.read() as session:
        return list(reversed(transfers.recent(session, "main", list(TransferState), 10_000)))


def expected(studies: Sequence[int], instances: int = INSTANCES) -> list[str]:
    return sorted(images.instance_uid(number, one) for number in studies for one in range(instances))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("legacy", "cloud"),  # pattern A to B: C-GET, STOW-RS
        ("legacy", "orthanc"),  # C-GET, C-STORE
        ("legacy-c-move", "cloud"),  # C-MOVE to our receiver, STOW-RS
        ("legacy-c-move", "orthanc"),
        ("legacy-direct", "orthanc"),  # C-MOVE to a third AE
    ],
)
def test_every_way_to_the_other_archive(
    archives: Archives, store: Store, tmp_path: Path, now: datetime, source: str, target: str
) -> None:
    """Everything is there once, unchanged, and nothing stays behind here."""
    ask(store, range(3), source, target, now)
    mover(archives.site(batch_instances=2), store, tmp_path, now).run()
    assert [(row.state, row.expected, row.sent, row.trouble) for row in ledger(store)] == [
        ("done", INSTANCES, INSTANCES, "")
    ] * 3
    assert archives.in_orthanc() == expected(range(3))
    assert list((tmp_path / "moving").iterdir()) == []
    image = images.small_study(1, INSTANCES)[2]
    (found,) = httpx.post(f"{archives.http_url}/tools/lookup", content=str(image.SOPInstanceUID)).json()
    pixels = httpx.get(f"{archives.http_url}/instances/{found['ID']}/frames/0/raw").content
    assert pixels == image.PixelData


def test_back_again(archives: Archives, store: Store, tmp_path: Path, now: datetime) -> None:
    """From the archive that speaks DICOMweb to one that speaks DIMSE only: WADO-RS, C-STORE."""
    with peers.dcmqrscp(tmp_path / "empty") as empty:
        images.stored(images.small_study(1), tmp_path / "files", archives.orthanc_port, "ORTHANC")
        back = DimseArchive(kind="dimse", name="back", host=LOOPBACK, port=empty.port, ae_title="DCMQRSCP")
        site = archives.site()
        site = site.model_copy(update={"archives": (*site.archives, back)})
        ask(store, [1], "cloud", "back", now)
        mover(site, store, tmp_path, now).run()
        assert [(row.state, row.sent) for row in ledger(store)] == [("done", 2)]
        assert [one.study_instance_uid for one in search_studies(back, site.zone, {})] == [
            images.study_uid(1)
        ]


def test_what_is_there_is_not_sent_again(
    archives: Archives, store: Store, tmp_path: Path, now: datetime
) -> None:
    """One of three instances came by another way: two are sent. Asked for once more: none."""
    images.stored(images.small_study(1)[:1], tmp_path / "files", archives.orthanc_port, "ORTHANC")
    for sent in (2, 0):
        ask(store, [1], "legacy", "cloud", now)
        mover(archives.site(), store, tmp_path, now).run()
        assert [(row.state, row.expected, row.sent) for row in ledger(store)] == [("done", 3, sent)]


@on_sqlite_alone
def test_a_mover_that_is_killed(archives: Archives, store: Store, tmp_path: Path, now: datetime) -> None:
    """Half-way, by SIGKILL: another one goes on, when the lease is over. Everything is there once."""
    del now  # the process that is killed has a clock of its own
    sites = tmp_path / "sites"
    sites.mkdir()
    (sites / "main.toml").write_text(
        f"""
        [[archives]]
        kind = "dimse"
        name = "legacy"
        host = "127.0.0.1"
        port = {archives.legacy_port}
        ae_title = "DCMQRSCP"

        [[archives]]
        kind = "dicomweb"
        name = "cloud"
        url = "{archives.dicomweb_url}"
        """
    )
    ask(store, range(STUDIES), "legacy", "cloud", utc_now())
    environment = os.environ | {
        "RADFLOW_DATABASE_URL": store.url, "RADFLOW_SITES_DIR": str(sites), "RADFLOW_HOME": str(tmp_path),
    }  # fmt: skip
    killed = subprocess.Popen([sys.executable, "-m", "radflow", "move", "run"], env=environment)
    done = 0
    give_up = time.monotonic() + 120
    while done < STUDIES // 2 and killed.poll() is None and time.monotonic() < give_up:
        time.sleep(0.01)
        with store.read() as session:
            done = transfers.summary(session, "main").get(("legacy", "cloud", "done"), 0)
    killed.kill()
    killed.wait()
    assert STUDIES // 2 <= done < STUDIES
    before = {row.id for row in ledger(store) if row.state == TransferState.DONE}

    site = archives.site()
    later = utc_now() + timedelta(seconds=site.routing.lease_seconds)
    mover(site, store, tmp_path, later).run()
    rows = ledger(store)
    assert {row.state for row in rows} == {"done"}
    assert archives.in_orthanc() == expected(range(STUDIES))
    assert {row.attempts for row in rows if row.id in before} == {1}
    # What the killed one had sent and not yet noted was already there.
    assert sum(row.sent for row in rows) <= STUDIES * INSTANCES


def test_an_archive_that_is_away(archives: Archives, store: Store, tmp_path: Path, now: datetime) -> None:
    """It is tried a few times, not once a study; later everything is moved."""
    away = archives.site()
    gone = DicomWebArchive(kind="dicomweb", name="cloud", url=f"http://{LOOPBACK}:{free_port()}/x")
    away = away.model_copy(update={"archives": (*away.archives[:-1], gone)})
    ask(store, range(10), "legacy", "cloud", now)
    mover(away, store, tmp_path, now).run()
    rows = ledger(store)
    assert {row.state for row in rows} == {"waiting"}
    assert 3 <= sum(row.attempts for row in rows) <= 4
    assert rows[0].trouble == "archive cloud: QIDO-RS failed: ConnectionError"
    assert rows[0].next_try_at == now + timedelta(seconds=30)
    mover(archives.site(), store, tmp_path, now + timedelta(seconds=30)).run()
    assert {row.state for row in ledger(store)} == {"done"}


def test_a_study_that_the_source_has_not(
    archives: Archives, store: Store, tmp_path: Path, now: datetime
) -> None:
    """One empty answer is not final; after the last try a person is asked, and may ask again."""
    ask(store, [STUDIES + 1], "legacy", "cloud", now)
    for attempt, state in enumerate(["waiting", "failed"]):
        at = now + timedelta(hours=attempt)
        mover(archives.site(max_attempts=2), store, tmp_path, at).run()
        (row,) = ledger(store)
        assert (row.state, row.trouble) == (state, "archive legacy shows no instance of the study")
    with store.write() as session:
        assert transfers.retry(session, "main", now) == 1
    assert ledger(store)[0].state == "waiting"


def test_what_a_killed_mover_has_left_is_removed(store: Store, tmp_path: Path, now: datetime) -> None:
    """Images of patients do not stay here; what another mover has just fetched does."""
    for name, age in (("left", timedelta(hours=2)), ("of-another", timedelta(minutes=1))):
        (tmp_path / "moving" / name).mkdir(parents=True)
        (tmp_path / "moving" / name / "0.dcm").write_bytes(b"DICM")
        since = (now - age).timestamp()
        os.utime(tmp_path / "moving" / name, (since, since))
    mover(Site(name="main"), store, tmp_path, now).run()
    assert [folder.name for folder in (tmp_path / "moving").iterdir()] == ["of-another"]


def test_no_receiver_for_c_move(archives: Archives, store: Store, tmp_path: Path, now: datetime) -> None:
    """What is missing in the site file is said; nothing is tried again."""
    site = archives.site()
    site = site.model_copy(update={"routing": Routing()})
    ask(store, [1], "legacy-c-move", "cloud", now)
    mover(site, store, tmp_path, now).run()
    (row,) = ledger(store)
    assert row.state == "failed"
    assert row.trouble == "archive legacy-c-move sends by C-MOVE: the site file needs [routing.receiver]"

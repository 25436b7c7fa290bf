"""Finding studies in real archives, and in the simulated one: by C-FIND and by QIDO-RS."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from mappings.dicom.worklist import worklist_items
from radflow.connectors.archive import (
    ArchiveClient,
    ArchiveUnavailable,
    Counts,
    FakeArchive,
    Wanted,
    open_archive,
)
from radflow.model import Study
from radflow.settings import LOOPBACK, DicomWebArchive, DimseArchive
from radflow.simulators.archive import SimulatedArchive
from radflow.simulators.modality import make_study, store_study
from radflow.simulators.ports import free_port
from tests import peers
from tests.builders import an_order

BERLIN = ZoneInfo("Europe/Berlin")
ACQUIRED = datetime(2026, 11, 24, 10, 0)  # noqa: DTZ001 — a modality's clock knows no zone
TODAY = date(2026, 11, 24)
FindBy = Literal["uid-list", "accession-list", "date-range"]


@dataclass(frozen=True)
class Peer:
    """An archive that runs, however it is asked."""

    port: int
    ae_title: str
    dicomweb_url: str = ""

    def by_dimse(self, find_by: FindBy) -> ArchiveClient:
        archive = DimseArchive(
            kind="dimse", name="pacs", host=LOOPBACK, port=self.port, ae_title=self.ae_title, find_by=find_by
        )
        return open_archive(archive, BERLIN)

    def by_dicomweb(self, find_by: Literal["uid-list", "date-range"]) -> ArchiveClient:
        archive = DicomWebArchive(kind="dicomweb", name="pacs", url=self.dicomweb_url, find_by=find_by)
        return open_archive(archive, BERLIN)


def images_of(number: str) -> list[Dataset]:
    """What the simulated modality acquires for the order of this number."""
    return make_study(worklist_items(an_order(number), BERLIN)[0], ACQUIRED)


def filled(peer: Peer) -> Peer:
    """With the studies of the orders P1 and P2, and of one that nobody ordered here."""
    for number in ("P1", "P2", "OTHER"):
        store_study(images_of(number), LOOPBACK, peer.port, peer.ae_title)
    return peer


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with peers.orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield filled(Peer(running.dicom_port, "ORTHANC", running.dicomweb_url))


@pytest.fixture(scope="module")
def dcmqrscp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with peers.dcmqrscp(tmp_path_factory.mktemp("dcmqrscp")) as running:
        yield filled(Peer(running.port, running.ae_title))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    archive = SimulatedArchive(tmp_path_factory.mktemp("simulated"))
    yield filled(Peer(archive.port, "ARCHIVE"))
    archive.stop()


def wanted(*numbers: str) -> list[Wanted]:
    orders = (an_order(number) for number in numbers)
    return [Wanted(order.study_instance_uid, order.accession_number, TODAY) for order in orders]


MANY = [f"WAITS{number}" for number in range(50)]
WAYS: list[tuple[str, str, FindBy]] = [
    ("orthanc", "dimse", "uid-list"),
    ("orthanc", "dimse", "accession-list"),
    ("orthanc", "dimse", "date-range"),
    ("orthanc", "dicomweb", "uid-list"),
    ("orthanc", "dicomweb", "date-range"),
    ("dcmqrscp", "dimse", "uid-list"),
    ("dcmqrscp", "dimse", "date-range"),
    ("simulated", "dimse", "uid-list"),
    ("simulated", "dimse", "accession-list"),
    ("simulated", "dimse", "date-range"),
]


@pytest.fixture(params=WAYS, ids=["-".join(way) for way in WAYS])
def archive(request: pytest.FixtureRequest) -> ArchiveClient:
    """Each archive, in each way that it can be asked."""
    name, kind, find_by = request.param
    peer: Peer = request.getfixturevalue(name)
    return peer.by_dimse(find_by) if kind == "dimse" else peer.by_dicomweb(find_by)


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every query that leaves this process, on its way out."""
    sent: list[str] = []
    c_find, get = Association.send_c_find, requests.Session.get

    def send_c_find(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        sent.append("C-FIND")
        return c_find(self, *args, **kwargs)

    def send_get(self, url, **kwargs):  # type: ignore[no-untyped-def]
        sent.append("QIDO-RS")
        return get(self, url, **kwargs)

    monkeypatch.setattr(Association, "send_c_find", send_c_find)
    monkeypatch.setattr(requests.Session, "get", send_get)
    return sent


def test_one_query_finds_all_that_is_there(archive: ArchiveClient, queries: list[str]) -> None:
    """Fifty orders wait, two have images: one query, two studies, and none of a patient nobody asks for."""
    found = archive.find_studies(wanted("P1", *MANY, "P2"), TODAY)
    assert sorted(study.accession_number for study in found) == ["AP1", "AP2"]
    assert len(queries) == 1


def test_a_found_study_is_known_well_enough(archive: ArchiveClient) -> None:
    """Who it is of, when it was made (in UTC), and from which archive."""
    (study,) = archive.find_studies(wanted("P1"), TODAY)
    assert study.study_instance_uid == an_order("P1").study_instance_uid
    assert (study.patient_id, study.archive) == ("4711", "pacs")
    assert study.started == datetime(2026, 11, 24, 9, tzinfo=UTC)


def test_nothing_found_is_an_answer(archive: ArchiveClient, queries: list[str]) -> None:
    """No match by C-FIND, or 200 with an empty list, or 204: still one query, and no error."""
    assert archive.find_studies(wanted(*MANY), TODAY) == []
    assert len(queries) == 1


def test_nothing_wanted_asks_nothing(archive: ArchiveClient, queries: list[str]) -> None:
    """No order waits: the archive is left in peace."""
    assert archive.find_studies([], TODAY) == []
    assert queries == []


def test_a_study_is_described_to_its_instances(archive: ArchiveClient) -> None:
    """Two series of two instances, as the modality made them."""
    study = archive.describe(an_order("P1").study_instance_uid)
    assert study is not None
    series = sorted(study.series, key=lambda one: one.number or 0)
    assert [(one.number, one.modality) for one in series] == [(1, "CT"), (2, "CT")]
    # dcmqrscp tells neither Series Description (0008,103E) nor SOP Class UID (0008,0016).
    assert [one.description for one in series] in (["Series 1", "Series 2"], ["", ""])
    assert [sorted(i.number or 0 for i in one.instances) for one in series] == [[1, 2], [1, 2]]
    instances = [instance for one in series for instance in one.instances]
    assert {i.sop_instance_uid for i in instances} == {str(i.SOPInstanceUID) for i in images_of("P1")}
    assert {i.sop_class_uid for i in instances} in ({str(CTImageStorage)}, {""})
    assert study.modalities == ("CT",)


def test_a_study_that_is_not_there_is_none(archive: ArchiveClient) -> None:
    """Deleted since it was found, say."""
    assert archive.describe("1.2.3.4.5.6.7") is None


def test_a_study_is_found_by_accession_number_under_another_uid(simulated: Peer) -> None:
    """A modality without a worklist makes a UID of its own; a range of dates finds it all the same."""
    by_number = [Wanted("9.9.9", "AP1", TODAY)]
    for find_by in ("date-range", "accession-list"):
        (study,) = simulated.by_dimse(find_by).find_studies(by_number, TODAY)
        assert study.study_instance_uid == an_order("P1").study_instance_uid


def test_all_studies_of_some_days(archive: ArchiveClient, queries: list[str]) -> None:
    """Whatever they are, and none of the days before."""
    days = archive.find_period(TODAY, TODAY)
    assert sorted(study.accession_number for study in days) == ["AOTHER", "AP1", "AP2"]
    assert len(queries) == 1
    assert archive.find_period(date(2026, 11, 1), date(2026, 11, 23)) == []


def test_a_study_is_counted(archive: ArchiveClient) -> None:
    """Series and instances, whether the archive tells how many there are or not; of none, none."""
    assert archive.count(an_order("P1").study_instance_uid) == Counts(series=2, instances=4)
    assert archive.count("1.2.3.4.5.6.7") == Counts(series=0, instances=0)


def test_counts_are_told_or_left_out(orthanc: Peer, dcmqrscp: Peer) -> None:
    """Orthanc tells them at study level, a legacy archive does not, and an archive may not be believed."""
    for client in (orthanc.by_dimse("uid-list"), orthanc.by_dicomweb("uid-list")):
        (study,) = client.find_studies(wanted("P1"), TODAY)
        assert (study.number_of_series, study.number_of_instances) == (2, 4)
    (legacy,) = dcmqrscp.by_dimse("uid-list").find_studies(wanted("P1"), TODAY)
    assert (legacy.number_of_series, legacy.number_of_instances) == (None, None)
    liar = DimseArchive(
        kind="dimse", name="pacs", host=LOOPBACK, port=orthanc.port, ae_title="ORTHANC", counts=False
    )
    (study,) = open_archive(liar, BERLIN).find_studies(wanted("P1"), TODAY)
    assert study.number_of_instances is None
    assert open_archive(liar, BERLIN).count(study.study_instance_uid) == Counts(2, 4)


def test_one_query_for_all_instances_where_the_archive_can(orthanc: Peer, queries: list[str]) -> None:
    """`relational = true`: study, series and instances are three queries, however many series there are."""
    able = DimseArchive(
        kind="dimse", name="pacs", host=LOOPBACK, port=orthanc.port, ae_title="ORTHANC", relational=True
    )
    plain = orthanc.by_dimse("uid-list").describe(an_order("P1").study_instance_uid)
    queries.clear()
    assert open_archive(able, BERLIN).describe(an_order("P1").study_instance_uid) == plain
    assert len(queries) == 3


def test_an_archive_that_is_there_says_so(archive: ArchiveClient) -> None:
    """C-ECHO, or a search for nothing."""
    archive.echo()


def test_an_error_after_half_of_the_answers_is_an_error() -> None:
    """What came before it is not taken for all there is."""

    def find(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        answer = Dataset()
        answer.QueryRetrieveLevel, answer.StudyInstanceUID = "STUDY", "1.2.3"
        answer.AccessionNumber = "AP1"
        yield 0xFF00, answer
        yield 0xC001, None

    ae = AE("ODD")
    ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    server: Any = ae.start_server((LOOPBACK, 0), block=False, evt_handlers=[(evt.EVT_C_FIND, find)])
    try:
        client = Peer(server.server_address[1], "ODD").by_dimse("date-range")
        with pytest.raises(ArchiveUnavailable, match="0xC001"):
            client.find_studies(wanted("P1"), TODAY)
    finally:
        server.shutdown()


def test_days_with_more_answers_than_an_archive_gives_are_asked_for_apart(
    simulated: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that its limit is reached (0xB001): halves, until it no longer does, or a day is left."""
    asked: list[str] = []

    def limited(self, query, model):  # type: ignore[no-untyped-def]
        asked.append(str(query.StudyDate))
        first = int(asked[-1][:8])
        status, answer = Dataset(), Dataset()
        status.Status, answer.StudyInstanceUID = 0xFF00, f"1.2.{first}"
        yield status, answer
        end = Dataset()
        end.Status = 0xB001 if first == 20261101 else 0x0000
        yield end, None

    monkeypatch.setattr(Association, "send_c_find", limited)
    found = simulated.by_dimse("date-range").find_period(date(2026, 11, 1), date(2026, 11, 4))
    assert asked == [
        "20261101-20261104", "20261101-20261102", "20261101-20261101", "20261102-20261102",
        "20261103-20261104",
    ]  # fmt: skip
    assert [study.study_instance_uid for study in found] == ["1.2.20261101", "1.2.20261102", "1.2.20261103"]


@pytest.mark.parametrize("name", ["orthanc", "dcmqrscp", "simulated"])
def test_more_than_a_list_can_hold_is_a_range_of_dates(
    request: pytest.FixtureRequest, queries: list[str], name: str
) -> None:
    """1,001 orders wait: still one query."""
    peer: Peer = request.getfixturevalue(name)
    many = wanted("P1", *(f"N{number}" for number in range(1000)))
    (study,) = peer.by_dimse("uid-list").find_studies(many, TODAY)
    assert study.accession_number == "AP1"
    assert len(queries) == 1


@pytest.mark.parametrize("name", ["orthanc", "simulated"])
def test_a_thousand_uids_fit_into_one_query(
    request: pytest.FixtureRequest, queries: list[str], name: str
) -> None:
    """The longest list that is sent: 64 characters each are more than explicit VR could say."""
    peer: Peer = request.getfixturevalue(name)
    long_ago = date(1990, 1, 1)
    many = [Wanted(f"1.2.{number:060}", "", long_ago) for number in range(1, 1000)]
    (study,) = peer.by_dimse("uid-list").find_studies([*wanted("P1"), *many], long_ago)
    assert study.accession_number == "AP1"
    assert len(queries) == 1


def test_an_archive_that_is_down_is_unavailable() -> None:
    """Nobody listens there."""
    peer = Peer(free_port(), "PACS", f"http://{LOOPBACK}:{free_port()}/dicom-web")
    for client in (peer.by_dimse("uid-list"), peer.by_dicomweb("date-range")):
        with pytest.raises(ArchiveUnavailable, match="archive pacs"):
            client.find_studies(wanted("P1"), TODAY)
        with pytest.raises(ArchiveUnavailable, match="archive pacs"):
            client.describe("1.2.3")


def test_an_archive_that_says_nothing_is_unavailable() -> None:
    """The connection stands, the answer does not come: the time limit ends it."""
    with socket.create_server((LOOPBACK, 0)) as mute:
        port = mute.getsockname()[1]
        archives = (
            DimseArchive(
                kind="dimse", name="pacs", host=LOOPBACK, port=port, ae_title="X", timeout_seconds=0.5
            ),
            DicomWebArchive(
                kind="dicomweb", name="pacs", url=f"http://{LOOPBACK}:{port}", timeout_seconds=0.5
            ),
        )
        for archive in archives:
            with pytest.raises(ArchiveUnavailable, match="archive pacs"):
                open_archive(archive, BERLIN).find_studies(wanted("P1"), TODAY)


def test_an_archive_that_is_none_is_unavailable(orthanc: Peer) -> None:
    """A web server without DICOMweb at that address, and one that speaks no DICOM on the DICOM port."""
    http_port = int(orthanc.dicomweb_url.split(":")[2].split("/")[0])
    for client in (
        Peer(0, "", f"http://{LOOPBACK}:{http_port}/nowhere").by_dicomweb("date-range"),
        Peer(http_port, "ORTHANC").by_dimse("uid-list"),
    ):
        with pytest.raises(ArchiveUnavailable, match="archive pacs"):
            client.find_studies(wanted("P1"), TODAY)


def test_pages_of_a_web_archive_are_read_to_the_end(orthanc: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that limits its answers and says so is asked for the rest; one study is not lost."""
    client = orthanc.by_dicomweb("date-range")
    search = DICOMwebClient.search_for_studies

    def one_at_a_time(self, **kwargs):  # type: ignore[no-untyped-def]
        client._more = True  # type: ignore[attr-defined]
        return search(self, limit=1, **kwargs)

    monkeypatch.setattr(DICOMwebClient, "search_for_studies", one_at_a_time)
    assert len(client.find_studies(wanted("P1", "P2", "OTHER"), TODAY)) == 3


def test_the_simulated_archive_keeps_what_it_has(tmp_path: Path) -> None:
    """Stopped and started again over the same folder, and its queries are counted."""
    first = SimulatedArchive(tmp_path)
    filled(Peer(first.port, "ARCHIVE"))
    first.stop()
    second = SimulatedArchive(tmp_path)
    client = Peer(second.port, "ARCHIVE").by_dimse("date-range")
    assert len(client.find_studies(wanted("P1", "P2"), TODAY)) == 2
    assert second.queries == 1
    second.stop()


def test_the_fake_answers_as_the_real_ones() -> None:
    """Flows are tested with it."""
    fake: ArchiveClient = FakeArchive(
        [Study(study_instance_uid="1.2", archive="pacs", accession_number="AP1")]
    )
    assert [study.study_instance_uid for study in fake.find_studies(wanted("P1"), TODAY)] == ["1.2"]
    assert fake.find_studies(wanted("P2"), TODAY) == []
    assert fake.describe("1.3") is None
    with pytest.raises(ArchiveUnavailable):
        FakeArchive(down=True).describe("1.2")

"""Fetching one SR document alone from real archives: by C-GET and by WADO-RS, in a bounded size."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import BasicTextSRStorage, EncapsulatedPDFStorage
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as StudyRootFind  # type: ignore[attr-defined]

from mappings.dicom.sr import is_sop_class
from radflow.connectors.archive import ArchiveClient, ArchiveUnavailable, FakeArchive, open_archive
from radflow.connectors.instances import NotRetrievable
from radflow.connectors.multipart import NotMultipart, first_part
from radflow.settings import LOOPBACK, DicomWebArchive, DimseArchive
from radflow.simulators.ports import free_port
from tests import peers
from tests.builders_sr import an_image, document, key_object, measurement_report, said, text_report

BERLIN = ZoneInfo("Europe/Berlin")
STUDY = "1.2.3"
BIG = document(
    ("121070", "DCM", "Findings"),
    [said(("121071", "DCM", "Finding"), "x" * 2_000_000)],
    study=STUDY,
    series=99,
)
DOCUMENTS: list[Dataset] = [measurement_report(STUDY), key_object(STUDY), text_report(STUDY), BIG]


def by_dimse(port: int, ae_title: str, timeout: float = 20) -> ArchiveClient:
    return open_archive(
        DimseArchive(
            kind="dimse", name="pacs", host=LOOPBACK, port=port, ae_title=ae_title, timeout_seconds=timeout
        ),
        BERLIN,
    )


def by_dicomweb(url: str, timeout: float = 20) -> ArchiveClient:
    return open_archive(
        DicomWebArchive(kind="dicomweb", name="pacs", url=url, timeout_seconds=timeout), BERLIN
    )


def store(folder: Path, port: int, ae_title: str) -> None:
    """The documents and one image, by dcmtk's storescu."""
    folder.mkdir()
    for number, one in enumerate([*DOCUMENTS, an_image(STUDY)]):
        (folder / f"{number}.dcm").write_bytes(as_file(one))
    peers.run(peers.dcmtk("storescu"), "-R", "-aec", ae_title, LOOPBACK, port, *sorted(folder.glob("*.dcm")))


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    folder = tmp_path_factory.mktemp("orthanc")
    with peers.orthanc(folder) as running:
        store(folder / "files", running.dicom_port, running.ae_title)
        yield running.dicom_port, running.dicomweb_url


@pytest.fixture(scope="module")
def dcmqrscp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("dcmqrscp")
    with peers.dcmqrscp(folder) as running:
        store(folder / "files", running.port, running.ae_title)
        yield running.port


@pytest.fixture(params=["orthanc-dicomweb", "orthanc-dimse", "dcmqrscp-dimse"])
def archive(request: pytest.FixtureRequest) -> ArchiveClient:
    name, kind = request.param.split("-")
    if name == "dcmqrscp":
        return by_dimse(request.getfixturevalue("dcmqrscp"), "DCMQRSCP")
    port, url = request.getfixturevalue("orthanc")
    return by_dicomweb(url) if kind == "dicomweb" else by_dimse(port, "ORTHANC")


def as_file(one: Dataset) -> bytes:
    file = BytesIO()
    one.save_as(file, enforce_file_format=True)
    return file.getvalue()


def fetch(client: ArchiveClient, one: Dataset, **more: int) -> Dataset | None:
    return client.fetch(STUDY, str(one.SeriesInstanceUID), str(one.SOPInstanceUID), **more)


@pytest.mark.parametrize("one", DOCUMENTS, ids=["tid-1500", "key-object", "text", "two-megabytes"])
def test_a_document_comes_as_it_was_stored(archive: ArchiveClient, one: Dataset) -> None:
    """Every element of it, whichever way it was asked for."""
    got = fetch(archive, one)
    assert got is not None
    assert got.to_json_dict() == dcmread(BytesIO(as_file(one))).to_json_dict()


def test_documents_are_listed_with_the_study(archive: ArchiveClient) -> None:
    """By modality of the series, and by SOP class where the archive tells it."""
    study = archive.describe(STUDY)
    assert study is not None
    found = {
        instance.sop_instance_uid
        for series in study.series
        for instance in series.instances
        if series.modality in ("SR", "KO")
    }
    assert found == {str(one.SOPInstanceUID) for one in DOCUMENTS}


def test_an_instance_that_is_not_there_is_none(archive: ArchiveClient) -> None:
    """Deleted since it was listed. Orthanc answers such a C-GET with 0xC000, which may mean anything."""
    try:
        got = archive.fetch(STUDY, f"{STUDY}.88", "1.2.3.4.5.6.7.8")
    except NotRetrievable as error:
        got, reason = None, str(error)
        assert reason.endswith("status 0xC000")
    assert got is None


def test_what_is_too_large_is_left(archive: ArchiveClient) -> None:
    """Two megabytes where half of one is taken; the next document is fetched as ever."""
    with pytest.raises(NotRetrievable, match="larger than 500000 bytes"):
        fetch(archive, BIG, largest=500_000)
    assert fetch(archive, DOCUMENTS[0], largest=500_000) is not None


def test_pixels_cannot_come_by_c_get(orthanc: tuple[int, str], dcmqrscp: int) -> None:
    """Image storage is not offered, so an image asked for by its UID is refused, not taken."""
    for client in (by_dimse(orthanc[0], "ORTHANC"), by_dimse(dcmqrscp, "DCMQRSCP")):
        with pytest.raises(NotRetrievable, match="C-GET has brought nothing"):
            fetch(client, an_image(STUDY))


def test_an_archive_that_is_down_is_unavailable() -> None:
    """Nobody listens there: it is asked again later."""
    port = free_port()
    for client in (by_dimse(port, "PACS"), by_dicomweb(f"http://{LOOPBACK}:{port}")):
        with pytest.raises(ArchiveUnavailable, match="archive pacs"):
            client.fetch("1", "2", "3")
    with pytest.raises(ArchiveUnavailable):
        FakeArchive(down=True).fetch("1", "2", "3")


def test_an_archive_that_says_nothing_is_unavailable() -> None:
    """The time limit ends the wait."""
    with socket.create_server((LOOPBACK, 0)) as mute:
        port = mute.getsockname()[1]
        for client in (by_dimse(port, "PACS", 0.5), by_dicomweb(f"http://{LOOPBACK}:{port}", 0.5)):
            with pytest.raises(ArchiveUnavailable, match="archive pacs"):
                client.fetch("1", "2", "3")


@pytest.mark.parametrize("knows", [StudyRootFind, BasicTextSRStorage])
def test_an_archive_without_c_get_says_no(knows: str) -> None:
    """One that knows C-FIND or C-STORE alone: a repeat would not help."""
    ae = AE("PACS")
    ae.add_supported_context(knows)
    server = ae.start_server((LOOPBACK, 0), block=False)
    assert server is not None
    try:
        with pytest.raises(NotRetrievable, match="accepts no C-GET"):
            by_dimse(server.server_address[1], "PACS").fetch("1", "2", "3")
    finally:
        server.shutdown()


@contextmanager
def a_web_server(status: int, content_type: str, body: bytes) -> Iterator[str]:
    """Answers every GET alike; the root's URL."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((LOOPBACK, 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, ArchiveUnavailable), (503, ArchiveUnavailable), (429, ArchiveUnavailable),
        (401, NotRetrievable), (403, NotRetrievable), (406, NotRetrievable),
    ],
)  # fmt: skip
def test_statuses_of_a_web_archive(status: int, error: type[Exception]) -> None:
    """What passes by itself is tried again; what does not is for a person. 404 and 410 are `not there`."""
    with a_web_server(status, "text/plain", b"no") as url, pytest.raises(error, match=str(status)):
        by_dicomweb(url).fetch("1", "2", "3")
    for gone in (404, 410):
        with a_web_server(gone, "text/plain", b"no") as url:
            assert by_dicomweb(url).fetch("1", "2", "3") is None


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("multipart/related", b"--x\r\n\r\nabc\r\n--x--", "no boundary"),
        ("multipart/related; boundary=x", b"--x\r\nA: b\r\n\r\nabc", "no complete part"),
        ("multipart/related; boundary=x", b"--x\r\n\r\nabc\r\n--x--", "no readable DICOM file"),
        ("text/html", b"<html>Sign in</html>", "no readable DICOM file"),
    ],
)  # fmt: skip
def test_an_answer_that_is_no_instance_is_said_to_be_none(
    content_type: str, body: bytes, reason: str
) -> None:
    """Cut off, without boundary, or a sign-in page."""
    with a_web_server(200, content_type, body) as url, pytest.raises(NotRetrievable, match=reason):
        by_dicomweb(url).fetch("1", "2", "3")


def test_a_single_part_answer_is_taken() -> None:
    """Some servers send the file itself (PS3.18 §8.7.4)."""
    with a_web_server(200, "application/dicom", as_file(DOCUMENTS[0])) as url:
        got = by_dicomweb(url).fetch("1", "2", "3")
    assert got is not None
    assert got.SOPInstanceUID == DOCUMENTS[0].SOPInstanceUID


def test_a_part_is_taken_byte_for_byte() -> None:
    """Line ends and dashes in the content are content."""
    content = b"\r\n--\r\n\r\n--xy\0\r\n"
    body = b"preamble\r\n--xyz\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--xyz--\r\n"
    assert first_part('multipart/related; type="application/dicom"; boundary="xyz"', body) == content
    assert first_part("multipart/related; boundary=x", b"--x\r\n\r\nabc\r\n--x--") == b"abc"
    with pytest.raises(NotMultipart):
        first_part("multipart/related; boundary=x", b"")


def test_what_is_a_document_is_known_by_its_class() -> None:
    """SR storage and key object selection; not a PDF."""
    assert all(is_sop_class(str(one.SOPClassUID)) for one in DOCUMENTS)
    assert not is_sop_class(str(EncapsulatedPDFStorage))


def test_the_fake_hands_out_what_it_was_given() -> None:
    """Flows are tested with it."""
    fake: ArchiveClient = FakeArchive(documents=[DOCUMENTS[0]])
    assert fetch(fake, DOCUMENTS[0]) is DOCUMENTS[0]
    assert fetch(fake, DOCUMENTS[1]) is None

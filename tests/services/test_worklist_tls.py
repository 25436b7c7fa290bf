"""DICOM over TLS (PS3.15 §B.9 to B.12, BCP 195), with dcmtk's tools at the other end."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from pydicom import Dataset

from mappings.dicom.worklist import worklist_items
from radflow.connectors.dimse import DimseClient
from radflow.connectors.wanted import ArchiveUnavailable
from radflow.model import Study
from radflow.settings import LOOPBACK, DimseArchive
from radflow.settings.tls import ClientTls
from radflow.simulators.modality import make_study
from radflow.store.engine import Store
from tests import peers
from tests.builders import an_order
from tests.certificates import Certificates
from tests.services.worklisted import names_asked, put, serving


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.made_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'store.db'}")
    opened.migrate()
    yield opened
    opened.close()


def a_query(folder: Path) -> Path:
    query = names_asked()
    query.save_as(folder / "query.dcm", implicit_vr=True, little_endian=True)
    return folder / "query.dcm"


def findscu(port: int, folder: Path, *tls: object) -> tuple[int, int]:
    """Exit status and number of answers."""
    folder.mkdir()
    command = [peers.dcmtk("findscu"), "-W", "-X", "-od", folder, *tls, "-aec", "RADFLOW", LOOPBACK, port]
    status = peers.exit_status(*command, a_query(folder))
    return status, len(list(folder.glob("rsp*.dcm")))


def test_dcmtk_asks_over_tls(store: Store, now: datetime, tmp_path: Path, certificates: Certificates) -> None:
    """It trusts our authority, and gets its answer."""
    put(store, now, "P1")
    with serving(store, tls=certificates.server()) as service:
        trusting = ("+tla", "+cf", certificates.folder / "ca.pem")
        assert findscu(service.port, tmp_path / "trusting", *trusting) == (0, 1)


def test_a_client_certificate_is_asked_for(
    store: Store, now: datetime, tmp_path: Path, certificates: Certificates
) -> None:
    """Mutual: with one of our authority's the answer comes; without one, or a stranger's, it does not."""
    put(store, now, "P1")
    folder = certificates.folder
    ca = ("+cf", folder / "ca.pem")
    with serving(store, tls=certificates.server(client_certificates=True)) as service:
        known = ("+tls", folder / "client.key", folder / "client.pem", *ca)
        assert findscu(service.port, tmp_path / "known", *known) == (0, 1)
        stranger = ("+tls", folder / "stranger.key", folder / "stranger.pem", *ca)
        for name, tls in (("stranger", stranger), ("anonymous", ("+tla", *ca))):
            status, answers = findscu(service.port, tmp_path / name, *tls)
            assert (status != 0, answers) == (True, 0), name
        assert findscu(service.port, tmp_path / "again", *known) == (0, 1)


def test_plain_text_is_refused_where_tls_is_wanted(store: Store, certificates: Certificates) -> None:
    """Also by who only hangs on: the handshake of one keeps nobody else waiting."""
    with serving(store, tls=certificates.server(), association_seconds=30) as service:
        with socket.create_connection((LOOPBACK, service.port), timeout=10):
            # That connection never begins its handshake.
            arguments = ("-v", "+tla", "+cf", certificates.folder / "ca.pem", LOOPBACK, service.port)
            peers.run(peers.dcmtk("echoscu"), *arguments)
        assert peers.exit_status(peers.dcmtk("echoscu"), "-to", 5, LOOPBACK, service.port) != 0
        peers.run(
            peers.dcmtk("echoscu"), "+tla", "+cf", certificates.folder / "ca.pem", LOOPBACK, service.port
        )


def a_study() -> list[Dataset]:
    (item,) = worklist_items(an_order(), ZoneInfo("UTC"))
    return make_study(item, datetime(2026, 11, 24, 9, 0, tzinfo=UTC))


def test_an_archive_is_asked_over_tls(tmp_path: Path, certificates: Certificates) -> None:
    """Ours is the client of Orthanc, whose TLS is dcmtk's: mutual, and a stranger learns nothing."""
    folder = certificates.folder
    options = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(folder / "server.pem"),
        "DicomTlsPrivateKey": str(folder / "server.key"),
        "DicomTlsTrustedCertificates": str(folder / "ca.pem"),
        "DicomTlsRemoteCertificateRequired": True,
    }
    with peers.orthanc(tmp_path, options) as orthanc:
        for number, image in enumerate(a_study()):
            image.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
            sent = httpx.post(
                f"{orthanc.http_url}/instances", content=(tmp_path / f"{number}.dcm").read_bytes()
            )
            sent.raise_for_status()

        def describe(tls: ClientTls | None) -> Study | None:
            archive = DimseArchive(
                kind="dimse", name="pacs", host=LOOPBACK, port=orthanc.dicom_port,
                ae_title=orthanc.ae_title, tls=tls, timeout_seconds=10,
            )  # fmt: skip
            return DimseClient(archive, ZoneInfo("UTC")).describe(an_order().study_instance_uid)

        study = describe(certificates.client("client"))
        assert study
        assert (study.patient_id, len(study.series)) == ("4711", 2)
        for stranger in (None, certificates.client(), certificates.client("stranger"), ClientTls()):
            with pytest.raises(ArchiveUnavailable):
                describe(stranger)

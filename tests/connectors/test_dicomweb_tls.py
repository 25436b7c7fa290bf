"""DICOMweb over TLS: an archive that a private authority vouches for, and that asks who we are."""

from collections.abc import Iterator
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from radflow.connectors.archive import ArchiveUnavailable, open_archive
from radflow.connectors.probe import probe
from radflow.connectors.tls import server_context
from radflow.connectors.transfer.search import search_studies
from radflow.connectors.wanted import Wanted
from radflow.settings import DicomWebArchive
from radflow.settings.archive_auth import OAuth2, Secret
from radflow.settings.tls import ClientTls
from tests.certificates import Certificates
from tests.connectors.auth_servers import serving

DAY = date(2026, 11, 24)
UTC = ZoneInfo("UTC")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.made_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=["server", "named"])
def served(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[tuple[str, str]]:
    """URL of an archive that asks for client certificates, and the name in its own where that is another."""
    context = server_context(certificates.server(request.param, client_certificates=True))
    with serving(lambda _: (200, []), context) as server:
        yield server.url, "" if request.param == "server" else "receiver.hospital.example"


def asked(url: str, tls: ClientTls | None) -> None:
    """By requests, as the sweep does, and by httpx, as the mover does."""
    archive = DicomWebArchive(kind="dicomweb", name="vna", url=url, tls=tls, timeout_seconds=5)
    assert open_archive(archive, UTC).find_studies([Wanted("1.2.3", "", DAY)], DAY) == []
    assert search_studies(archive, UTC, {"PatientID": "1"}) == []


def refused(url: str, tls: ClientTls | None) -> None:
    archive = DicomWebArchive(kind="dicomweb", name="vna", url=url, tls=tls, timeout_seconds=5)
    with pytest.raises(ArchiveUnavailable, match="QIDO-RS failed"):
        open_archive(archive, UTC).find_studies([Wanted("1.2.3", "", DAY)], DAY)
    with pytest.raises(ArchiveUnavailable, match="failed"):
        search_studies(archive, UTC, {"PatientID": "1"})


def test_an_archive_that_knows_us(served: tuple[str, str], certificates: Certificates) -> None:
    """Its authority is trusted, its name is the one we expect, and our certificate is shown."""
    url, name = served
    asked(url, certificates.client("client", server_name=name))


@pytest.mark.parametrize("who", ["", "stranger"])
def test_without_the_right_certificate(who: str, served: tuple[str, str], certificates: Certificates) -> None:
    """No certificate, or that of a stranger: we do not get through."""
    url, name = served
    refused(url, certificates.client(who, server_name=name))


def test_an_archive_that_nobody_vouches_for(
    served: tuple[str, str], certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the system's authorities nor, beside ours, those of requests or its environment are enough."""
    url, name = served
    refused(url, None)
    refused(url, certificates.client("client", server_name="other.example"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.folder / "ca.pem"))
    certificates.stranger.cert_pem.write_to_path(certificates.folder / "other.pem")
    trusting = certificates.client("client", server_name=name)
    refused(url, trusting.model_copy(update={"ca": certificates.folder / "other.pem"}))


def test_an_archive_whose_tokens_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep and a probe have an archive that does not answer, and the reason in words."""
    monkeypatch.setenv("TEST_SECRET", "wrong")
    with serving(lambda _: (401, {"error": "invalid_client"})) as issuer:
        auth = OAuth2(
            kind="oauth2", token_url=issuer.url, client_id="radflow", client_secret=Secret(env="TEST_SECRET")
        )
        archive = DicomWebArchive(kind="dicomweb", name="cloud", url="http://127.0.0.1:9", auth=auth)
        with pytest.raises(
            ArchiveUnavailable, match="archive cloud: the authorisation server gives no token"
        ):
            open_archive(archive, UTC).find_period(DAY, DAY)
        report = probe(archive, UTC, DAY)
    assert {check.answer for check in report.checks} == {"no"}
    assert "gives no token" in report.checks[0].detail

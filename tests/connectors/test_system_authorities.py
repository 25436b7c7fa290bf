"""Without TLS settings every HTTPS client trusts whom the system trusts, as a hospital's own authority."""

from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo

import pytest

from radflow.connectors import tls
from radflow.connectors.dicomweb import DicomWebClient
from radflow.connectors.errors import Unavailable
from radflow.connectors.hl7_http import Hl7HttpClient
from radflow.connectors.oauth2 import ClientCredentials
from radflow.connectors.transfer.web import client_of, unavailable_when_broken
from radflow.connectors.worklists.dcm4chee import Dcm4cheeClient
from radflow.settings import DicomWebArchive
from radflow.settings.archive_auth import OAuth2, Secret
from radflow.settings.worklist_target import Dcm4cheeWorklist
from tests.builders import an_order
from tests.busy_https import busy_https
from tests.certificates import Certificates
from tests.fhir_publishing import at, publish
from tests.hl7_builders import an_orm


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.made_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def url(certificates: Certificates) -> Iterator[str]:
    """A busy server with a certificate of the authority."""
    with busy_https(certificates.server()) as url:
        yield url


@pytest.fixture
def contexts_read_anew() -> Iterator[None]:
    tls._read_context.cache_clear()
    yield
    tls._read_context.cache_clear()


def archive(url: str) -> DicomWebArchive:
    return DicomWebArchive(kind="dicomweb", name="pacs", url=url, timeout_seconds=5)


def ask_fhir(url: str) -> None:
    publish(at(url, timeout_seconds=5))


def ask_dcm4chee(url: str) -> None:
    target = Dcm4cheeWorklist(kind="dcm4chee", url=f"{url}/dcm4chee-arc/aets/DCM4CHEE/rs")
    Dcm4cheeClient(target).show(an_order(), [], studies=["1.2.3"])


def ask_archive(url: str) -> None:
    DicomWebClient(archive(url), ZoneInfo("UTC")).echo()


def fetch_from_archive(url: str) -> None:
    with client_of(archive(url)) as client, unavailable_when_broken("pacs", "WADO-RS"):
        assert client.get(url).status_code == 503
    raise Unavailable("503")


def send_hl7(url: str) -> None:
    with Hl7HttpClient(url, timeout=5) as client:
        client.send(an_orm("M1"))


def fetch_token(url: str) -> None:
    secret = Secret(env="PATH")
    ClientCredentials(OAuth2(kind="oauth2", token_url=url, client_id="radflow", client_secret=secret)).token()


EVERY = pytest.mark.parametrize(
    "ask", [ask_fhir, ask_dcm4chee, ask_archive, fetch_from_archive, send_hl7, fetch_token]
)


@EVERY
@pytest.mark.usefixtures("contexts_read_anew")
def test_whom_the_system_trusts_is_trusted(
    ask: Callable[[str], None], url: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is reached: it says that it is busy."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.folder / "ca.pem"))
    with pytest.raises(Unavailable, match="503"):
        ask(url)


@EVERY
@pytest.mark.usefixtures("contexts_read_anew")
def test_nobody_else_is(ask: Callable[[str], None], url: str) -> None:
    with pytest.raises(Unavailable) as error:
        ask(url)
    assert "503" not in str(error.value)

"""FHIR servers and dcm4chee over TLS: who vouches for them, and who we are."""

from collections.abc import Callable, Iterator

import pytest

from radflow.connectors.errors import Unavailable
from radflow.connectors.worklists.dcm4chee import Dcm4cheeClient
from radflow.settings.tls import ClientTls
from radflow.settings.worklist_target import Dcm4cheeWorklist
from tests.builders import an_order
from tests.busy_https import busy_https
from tests.certificates import Certificates
from tests.fhir_publishing import at, publish

Failure = Callable[[str, ClientTls | None], str]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.made_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=["server", "named"])
def served(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[tuple[str, str]]:
    """URL of a server that asks for client certificates, and the name in its own."""
    name = "" if request.param == "server" else "receiver.hospital.example"
    with busy_https(certificates.server(request.param, client_certificates=True)) as url:
        yield url, name


def ask_fhir(url: str, tls: ClientTls | None) -> None:
    publish(at(url, tls=tls.model_dump() if tls else None, timeout_seconds=5))


def ask_dcm4chee(url: str, tls: ClientTls | None) -> None:
    target = Dcm4cheeWorklist(kind="dcm4chee", url=f"{url}/dcm4chee-arc/aets/DCM4CHEE/rs", tls=tls)
    Dcm4cheeClient(target).show(an_order(), [], studies=["1.2.3"])


@pytest.fixture(params=[ask_fhir, ask_dcm4chee])
def failure(request: pytest.FixtureRequest) -> Failure:
    """How each of them fails at this URL."""

    def said(url: str, tls: ClientTls | None) -> str:
        with pytest.raises(Unavailable) as error:
            request.param(url, tls)
        return str(error.value)

    return said


def test_a_server_that_knows_us(
    failure: Failure, served: tuple[str, str], certificates: Certificates
) -> None:
    """Its authority is trusted, its name is the one we expect, and our certificate is shown."""
    url, name = served
    assert "503" in failure(url, certificates.client("client", server_name=name))


@pytest.mark.parametrize("who", ["", "stranger"])
def test_without_the_right_certificate(
    who: str, failure: Failure, served: tuple[str, str], certificates: Certificates
) -> None:
    """No certificate, or that of a stranger: we do not get through."""
    url, name = served
    assert "503" not in failure(url, certificates.client(who, server_name=name))


def test_a_server_that_nobody_vouches_for(failure: Failure, served: tuple[str, str]) -> None:
    """The system's authorities do not know it: nothing is sent."""
    assert "ConnectError" in failure(served[0], None)


def test_a_server_of_another_name(
    failure: Failure, served: tuple[str, str], certificates: Certificates
) -> None:
    """A certificate for another name is none for this server."""
    assert "ConnectError" in failure(served[0], certificates.client("client", server_name="other.example"))

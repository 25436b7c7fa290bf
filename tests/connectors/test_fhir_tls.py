"""FHIR servers and dcm4chee over TLS: who vouches for them, and who we are."""

import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from radflow.connectors.errors import Unavailable
from radflow.connectors.tls import server_context
from radflow.connectors.worklists.dcm4chee import Dcm4cheeClient
from radflow.settings import LOOPBACK
from radflow.settings.tls import ClientTls
from radflow.settings.worklist_target import Dcm4cheeWorklist
from tests.builders import an_order
from tests.certificates import Certificates
from tests.fhir_publishing import at, publish

Failure = Callable[[str, ClientTls | None], str]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.made_in(tmp_path_factory.mktemp("certificates"))


class Busy(BaseHTTPRequestHandler):
    """Whoever gets through is told so."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass


@pytest.fixture(scope="module", params=["server", "named"])
def served(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[tuple[str, str]]:
    """URL of a server that asks for client certificates, and the name in its own."""
    context = server_context(certificates.server(request.param, client_certificates=True))
    assert isinstance(context, ssl.SSLContext)
    http = HTTPServer((LOOPBACK, 0), Busy)
    http.socket = context.wrap_socket(http.socket, server_side=True)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield (
        f"https://{LOOPBACK}:{http.server_port}",
        "" if request.param == "server" else "receiver.hospital.example",
    )
    http.shutdown()
    thread.join()
    http.server_close()


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

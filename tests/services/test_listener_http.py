"""HL7 over HTTP and HTTPS as a way in, beside MLLP: the same inbox, the same answers."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from mappings.hl7.reader import Hl7Message
from radflow.connectors.mllp import MllpClient
from radflow.services.listener.hl7_http import HttpWelcome
from radflow.settings import LOOPBACK, ConfigError, HttpListener, Site
from radflow.store.engine import Store
from tests.certificates import Certificates
from tests.hl7_builders import an_orm, an_oru, order_named
from tests.listening import BOUND, a_site, eventually, listening_doors, stored

ER7 = "application/hl7-v2; charset=utf-8"


@contextmanager
def doors(store: Store, now: datetime, **http: object) -> Iterator[dict[str, int]]:
    settings = HttpListener.model_validate({"port": 0, "max_message_bytes": 100_000, **http})
    site: Site = a_site().model_copy(update={"http": settings})
    with listening_doors(store, lambda: now, site) as ports:
        yield ports


@pytest.fixture
def url(store: Store, now: datetime) -> Iterator[str]:
    with doors(store, now) as ports:
        yield f"http://{LOOPBACK}:{ports['main/http']}/hl7"


def post(
    url: str, content: bytes, headers: Mapping[str, str] | None = None, **more: object
) -> httpx.Response:
    sent = {"Content-Type": ER7, **(headers or {})}
    return httpx.post(url, content=content, headers=sent, timeout=BOUND, trust_env=False, **more)  # type: ignore[arg-type]


def test_a_message_and_its_ack(store: Store, url: str) -> None:
    """The ACK is the body, with its media type and character set."""
    raw = an_orm("M1")
    response = post(url, raw)
    assert (response.status_code, response.headers["Content-Type"]) == (200, ER7)
    assert [Hl7Message(response.content).get(path) for path in ("MSA-1", "MSA-2")] == ["AA", "M1"]
    assert "Date" in response.headers
    (row,) = stored(store)
    assert (row.raw, row.state) == (raw, "received")
    assert row.peer.startswith(f"{LOOPBACK}:")


def test_a_refusal_is_no_error_of_the_transport(store: Store, url: str) -> None:
    """AE and AR come with status 200 (§2.6)."""
    for raw, code in ((an_orm("M1", changes={"PID": {3: ""}}), "AE"), (an_orm("M2", msh_12="9.9"), "AR")):
        response = post(url, raw)
        assert (response.status_code, Hl7Message(response.content).get("MSA-1")) == (200, code)
    assert [row.state for row in stored(store)] == ["quarantined"] * 2


def test_one_inbox_behind_both_doors(store: Store, now: datetime) -> None:
    """A copy over HTTP of what came over MLLP is a copy, and a re-used MSH-10 is one."""
    with doors(store, now) as ports:
        with MllpClient(LOOPBACK, ports["main"], timeout=BOUND) as client:
            client.send(an_orm("M1"))
        url = f"http://{LOOPBACK}:{ports['main/http']}/hl7"
        again, other = post(url, an_orm("M1")), post(url, an_orm("M1", changes=order_named("P2")))
    assert [Hl7Message(answer.content).get("MSA-1") for answer in (again, other)] == ["AA", "AE"]
    assert [row.copies for row in stored(store)] == [2, 1]


@pytest.mark.parametrize(
    ("accept", "application", "status", "code"),
    [("AL", "AL", 200, "AA"), ("AL", "NE", 200, "CA"), ("NE", "NE", 204, ""), ("ER", "ER", 204, "")],
)
def test_enhanced_mode(url: str, accept: str, application: str, status: int, code: str) -> None:
    """A response has room for one answer: the application's where it is wanted."""
    response = post(url, an_orm("M1", msh_15=accept, msh_16=application))
    assert response.status_code == status
    assert (Hl7Message(response.content).get("MSA-1") if response.content else "") == code


def test_a_batch(url: str) -> None:
    """Answered by a batch."""
    response = post(url, b"BHS|^~\\&|EHR\r" + an_orm("M1") + an_oru("M2") + b"BTS|2\r")
    assert response.content.startswith(b"BHS|")
    assert response.content.count(b"MSA|AA|") == 2


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{}", {"Content-Type": "application/json"}, 415),
        (an_orm(), {"Content-Type": "application/hl7-v2; charset=klingon"}, 415),
        (an_orm() + b"x" * 100_000, {}, 413),
        (b"", {}, 400),
        (b" \r\n", {}, 400),
    ],
)
def test_what_is_no_message(
    store: Store, url: str, content: bytes, headers: dict[str, str], status: int
) -> None:
    """It does not come to an ACK."""
    assert post(url, content, headers).status_code == status
    assert stored(store) == []


def test_the_wrong_method_or_path(url: str) -> None:
    """405 names the one that is allowed."""
    response = httpx.get(url, trust_env=False)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert post(url + "/other", an_orm()).status_code == 404


def test_a_long_body_without_its_length(store: Store, url: str) -> None:
    """Chunked: refused once it is too long."""
    response = httpx.post(
        url, content=iter([b"x" * 60_000] * 3), headers={"Content-Type": ER7}, trust_env=False, timeout=BOUND
    )
    assert response.status_code == 413


@pytest.mark.parametrize("kind", ["application/hl7-v2", "application/hl7-v2+er7", "x-application/hl7-v2+er7"])
def test_names_of_the_media_type(url: str, kind: str) -> None:
    """Drafts of the specification named it otherwise."""
    assert post(url, an_orm(), {"Content-Type": kind}).status_code == 200


def test_the_character_set_of_the_request(store: Store, url: str) -> None:
    """The header tells what is on the wire, MSH-18 what the message is kept in."""
    raw = an_orm("M1", msh_18="")
    post(url, raw.decode().encode("iso8859_1"), {"Content-Type": "application/hl7-v2; charset=ISO-8859-1"})
    post(url, an_orm("M2", msh_18="8859/1").decode().encode("iso8859_1"), {"Content-Type": ER7})
    first, second = stored(store)
    assert first.raw == raw
    assert Hl7Message(second.raw).get("PID-5") == "Müller"


def test_who_may_send(store: Store, now: datetime, tmp_path: Path) -> None:
    """With the password, or with the token; nobody else."""
    (tmp_path / "password").write_text("geheim\n")
    (tmp_path / "token").write_text("t0ken\n")
    allowed = {"user": "ehr", "password_file": tmp_path / "password", "token_file": tmp_path / "token"}
    with doors(store, now, **allowed) as ports:
        url = f"http://{LOOPBACK}:{ports['main/http']}/hl7"
        nobody = post(url, an_orm())
        assert (nobody.status_code, nobody.headers["WWW-Authenticate"]) == (401, 'Basic realm="HL7"')
        for wrong in ("Basic ???", "Bearer geheim", "Basic ehr:geheim", "Digest t0ken", "bearer"):
            assert post(url, an_orm(), {"Authorization": wrong}).status_code == 401
        assert post(url, an_orm(), auth=("ehr", "falsch")).status_code == 401
        assert stored(store) == []
        assert post(url, an_orm(), auth=("ehr", "geheim")).status_code == 200
        assert post(url, an_orm(), {"Authorization": "Bearer t0ken"}).status_code == 200


def test_a_secret_that_is_missing(tmp_path: Path) -> None:
    """The listener does not start, rather than let everyone in."""
    (tmp_path / "empty").write_text("\n")
    for file, reason in ((tmp_path / "nowhere", "No such file"), (tmp_path / "empty", "is empty")):
        with pytest.raises(ConfigError, match=reason):
            HttpWelcome(HttpListener(token_file=file), None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="both or not at all"):
        HttpListener(user="ehr")


def test_https_with_client_certificates(store: Store, now: datetime, tmp_path: Path) -> None:
    """Real handshakes: with the certificate and without."""
    certificates = Certificates.made_in(tmp_path)
    with doors(store, now, tls=certificates.server(client_certificates=True)) as ports:
        url = f"https://{LOOPBACK}:{ports['main/http']}/hl7"
        context = certificates.client_context()
        with pytest.raises(httpx.HTTPError):
            post(url, an_orm(), verify=context)
        context.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")
        assert post(url, an_orm(), verify=context).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /hl7 HTTP/1.1\r\nHost: x\r\n",
        b"POST /hl7 HTTP/1.1\r\nContent-Length: 9\r\n\r\nMSH",
        b"\x0bMSH",
    ],
)
def test_a_request_that_does_not_end(store: Store, now: datetime, sent: bytes) -> None:
    """Half a head, half a body, nothing or no HTTP at all: the connection is closed in time."""
    with (
        doors(store, now, request_seconds=0.2) as ports,
        socket.create_connection((LOOPBACK, ports["main/http"]), BOUND) as slow,
    ):
        slow.sendall(sent)
        while slow.recv(65536):
            pass


def test_too_many_connections_of_one_peer(store: Store, now: datetime) -> None:
    """The limit is the same as for MLLP."""
    with doors(store, now, max_connections_per_peer=1) as ports:
        where = (LOOPBACK, ports["main/http"])
        with (
            socket.create_connection(where, BOUND) as first,
            socket.create_connection(where, BOUND) as second,
        ):
            assert second.recv(1) == b""
            first.sendall(b"GET /hl7 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert first.recv(65536).startswith(b"HTTP/1.1 405")
        eventually(lambda: is_served(f"http://{LOOPBACK}:{where[1]}/hl7"))


def is_served(url: str) -> bool:
    try:
        return post(url, an_orm()).status_code == 200
    except httpx.HTTPError:
        return False

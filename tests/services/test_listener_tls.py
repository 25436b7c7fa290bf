"""MLLP over TLS, with real handshakes: who is let in, and that a broken handshake hurts nobody else."""

import asyncio
import socket
import ssl
from datetime import datetime
from pathlib import Path

import pytest

from radflow.connectors.mllp import AsyncMllpClient, MllpClient, MllpUnavailable
from radflow.connectors.mllp_framing import frame
from radflow.services.listener import door, serve
from radflow.settings import LOOPBACK, ConfigError
from radflow.settings.tls import ClientTls, ServerTls
from radflow.store.engine import Store
from tests.certificates import Certificates
from tests.hl7_builders import an_orm
from tests.listening import BOUND, a_site, codes, connection, listening, stored, talk


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.made_in(tmp_path_factory.mktemp("tls"))


def sent(port: int, tls: ClientTls | None) -> str:
    with MllpClient(LOOPBACK, port, timeout=BOUND, tls=tls) as client:
        client.send(an_orm("M1"))
        return client.send(an_orm("M2")).code


def test_server_and_client(store: Store, now: datetime, certificates: Certificates) -> None:
    """Messages go over one connection; another client than ours is served too."""
    with listening(store, now, a_site(tls=certificates.server())) as port:
        assert sent(port, certificates.client()) == "AA"
        answers = talk(port, frame(an_orm("M3")), answers=1, tls=certificates.client_context())
        assert codes(answers) == [("M3", "AA")]
    assert len(stored(store)) == 3


def test_mutual_tls(store: Store, now: datetime, certificates: Certificates) -> None:
    """With `client_ca` a client needs a certificate of that authority."""
    site = a_site(tls=certificates.server(client_certificates=True))
    with listening(store, now, site) as port:
        for stranger in (certificates.client(), certificates.client("stranger")):
            with pytest.raises(MllpUnavailable, match=r"TLS with the receiver fails|has closed"):
                sent(port, stranger)
        assert stored(store) == []
        assert sent(port, certificates.client("client")) == "AA"


def test_a_client_that_does_not_trust_us(store: Store, now: datetime, certificates: Certificates) -> None:
    """By the system's authorities, or since the certificate is another host's."""
    with listening(store, now, a_site(tls=certificates.server("named"))) as port:
        for tls in (ClientTls(), certificates.client()):
            with pytest.raises(MllpUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                sent(port, tls)
        assert sent(port, certificates.client(server_name="receiver.hospital.example")) == "AA"


def test_the_async_client(store: Store, now: datetime, certificates: Certificates) -> None:
    """The same, for asyncio."""

    async def send(port: int, tls: ClientTls) -> str:
        client = await AsyncMllpClient.connect(LOOPBACK, port, seconds=BOUND, tls=tls)
        code = (await client.send(an_orm("M1"))).code
        await client.close()
        return code

    with listening(store, now, a_site(tls=certificates.server())) as port:
        assert asyncio.run(send(port, certificates.client())) == "AA"
        with pytest.raises(MllpUnavailable, match="TLS"):
            asyncio.run(send(port, ClientTls()))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_that_are_spoken(
    store: Store, now: datetime, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    """TLS 1.2 and 1.3 (BCP 195)."""
    context = certificates.client_context()
    context.minimum_version = context.maximum_version = version
    with listening(store, now, a_site(tls=certificates.server())) as port:
        assert codes(talk(port, frame(an_orm("M1")), answers=1, tls=context)) == [("M1", "AA")]


def test_an_old_version_is_not_spoken(store: Store, now: datetime, certificates: Certificates) -> None:
    """TLS 1.1 ends with the handshake."""
    context = certificates.client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        listening(store, now, a_site(tls=certificates.server())) as port,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        connection(port, context)


def test_handshakes_that_come_to_nothing(
    store: Store, now: datetime, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain MLLP, noise and silence: each is cut off in time, and others are served meanwhile."""
    monkeypatch.setattr(door, "_HANDSHAKE_SECONDS", 0.3)
    with listening(store, now, a_site(tls=certificates.server())) as port:
        peers = [connection(port) for _ in range(3)]
        peers[0].sendall(frame(an_orm("M1")))
        peers[1].sendall(b"\x16\x03\x01\x02\x00\x01")
        assert sent(port, certificates.client()) == "AA"
        for peer in peers:
            assert ended(peer)
            peer.close()


def ended(peer: socket.socket) -> bool:
    try:
        while peer.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize(
    ("certificate", "key", "reason"),
    [
        ("nowhere.pem", "server.key", "nowhere.pem.*No such file"),
        ("server.pem", "client.key", "server.pem with key .*KEY_VALUES_MISMATCH"),
        ("server.key", "server.key", "server.key.*PEM"),
    ],
)
def test_files_that_are_wrong(
    store: Store, certificates: Certificates, certificate: str, key: str, reason: str
) -> None:
    """The listener does not start, and says which file is meant."""

    folder: Path = certificates.folder
    site = a_site(tls=ServerTls(certificate=folder / certificate, key=folder / key))
    with pytest.raises(ConfigError, match=reason):
        asyncio.run(serve([site], store))


def test_a_key_without_its_certificate() -> None:
    """Both or none."""
    with pytest.raises(ValueError, match="both or not at all"):
        ClientTls(key=Path("client.key"))

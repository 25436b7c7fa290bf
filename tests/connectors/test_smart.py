"""SMART Backend Services: a server verifies the JWT by another library, in front of a FHIR server."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey

from mappings.fhir.publishing import Outcome
from radflow.clock import utc_now
from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.fhir import FhirRefused
from radflow.connectors.smart import client_assertion, smart_auth
from radflow.settings.base import ConfigError
from radflow.settings.smart import SmartBackendServices
from tests.conftest import NOW
from tests.fhir_publishing import at, publish
from tests.peers_fhir import FhirServer, fhir_server
from tests.smart_peers import SmartServer, smart_server

CLIENT = "radflow-at-main"
ALGORITHMS: tuple[Literal["RS384", "ES384"], ...] = ("RS384", "ES384")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def keys(folder: Path) -> dict[str, RSAKey | ECKey]:
    """One of each kind, the private halves in files that are named after the algorithm."""
    made: dict[str, RSAKey | ECKey] = {
        "RS384": RSAKey.generate_key(2048),
        "ES384": ECKey.generate_key("P-384"),
    }
    for name, key in made.items():
        (folder / f"{name}.pem").write_bytes(key.as_pem(private=True))
    return {name: type(key).import_key(key.as_dict(private=False)) for name, key in made.items()}


@pytest.fixture(scope="module")
def medplum() -> Iterator[FhirServer]:
    with fhir_server() as running:
        yield running


@pytest.fixture
def smart(keys: dict[str, RSAKey | ECKey], medplum: FhirServer) -> Iterator[SmartServer]:
    medplum.clear()
    with smart_server(SmartServer(medplum.url, CLIENT, keys)) as running:
        yield running


def settings(folder: Path, algorithm: str = "RS384", **changes: Any) -> SmartBackendServices:
    given = {
        "kind": "smart",
        "client_id": CLIENT,
        "key": folder / f"{algorithm}.pem",
        "key_id": algorithm,
        "algorithm": algorithm,
    }
    return SmartBackendServices.model_validate(given | changes)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_publishing_with_a_signed_jwt(algorithm: str, smart: SmartServer, folder: Path) -> None:
    """Discovery, a JWT that the server verifies, one token for all requests, also of the next order."""
    fhir = at(f"{smart.url}/fhir", auth=settings(folder, algorithm).model_dump())
    assert {one.outcome for one in publish(fhir)} == {Outcome.CREATED}
    assert {one.outcome for one in publish(fhir)} == {Outcome.UNCHANGED}
    assert smart.refusals == []
    assert smart.issued == ["token-0"]


def test_a_token_is_fetched_anew_shortly_before_its_end(smart: SmartServer, folder: Path) -> None:
    """As long as it is good it is used; near its end another one is fetched."""
    smart.expires_in = 300
    now = utc_now()
    clock = [now]
    auth = smart_auth(settings(folder), f"{smart.url}/fhir", now=lambda: clock[0])
    with httpx.Client(auth=auth) as client:
        for seconds in (0, 269, 271):
            clock[0] = now + timedelta(seconds=seconds)
            client.post(f"{smart.url}/fhir", json={})
    assert smart.issued == ["token-0", "token-1"]


def test_a_token_that_is_no_longer_taken_is_fetched_anew(smart: SmartServer, folder: Path) -> None:
    """A 401 in spite of it: one more token, and the request again."""
    fhir = at(f"{smart.url}/fhir", auth=settings(folder).model_dump())
    publish(fhir)
    smart.revoked.add("token-0")
    assert {one.outcome for one in publish(fhir)} == {Outcome.UNCHANGED}
    assert smart.issued == ["token-0", "token-1"]


def test_a_server_that_takes_no_token_of_its_own(smart: SmartServer, folder: Path) -> None:
    """It is asked for one more, and not for ever."""
    smart.revoked.update({"token-0", "token-1"})
    with pytest.raises(FhirRefused, match="401"):
        publish(at(f"{smart.url}/fhir", auth=settings(folder).model_dump()))
    assert smart.issued == ["token-0", "token-1"]


@pytest.mark.parametrize("changes", [{"client_id": "stranger"}, {"key_id": "ES384"}, {"key_id": "none"}])
def test_a_client_that_is_not_known(changes: dict[str, str], smart: SmartServer, folder: Path) -> None:
    """Another client, another key, an unknown key: the server says no, and its error code is told."""
    with pytest.raises(Refused, match="invalid_client"):
        publish(at(f"{smart.url}/fhir", auth=settings(folder, **changes).model_dump()))
    assert smart.issued == []
    assert len(smart.refusals) == 1


def test_an_algorithm_that_the_server_does_not_take(smart: SmartServer, folder: Path) -> None:
    """Discovery tells: no assertion is sent."""
    smart.algorithms = ["ES384"]
    with pytest.raises(Refused, match="does not take RS384, but ES384"):
        publish(at(f"{smart.url}/fhir", auth=settings(folder).model_dump()))
    assert smart.refusals == []


@pytest.mark.parametrize(
    ("status", "body", "failure", "says"),
    [
        (503, b"", Unavailable, "503"),
        (404, b"<html>", Refused, "token_url"),
        (200, b"{}", Refused, "token_url"),
    ],
)
def test_discovery_that_fails(
    status: int, body: bytes, failure: type[Exception], says: str, folder: Path, keys: object
) -> None:
    """Later, or never: the text says what to write into the site file."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body))
    auth = smart_auth(settings(folder), "http://fhir.example")
    with httpx.Client(auth=auth, transport=transport) as client, pytest.raises(failure, match=says):
        client.post("http://fhir.example", json={})


def test_a_token_server_that_is_down(folder: Path, keys: object) -> None:
    """It may be up later."""
    transport = httpx.MockTransport(
        lambda request: httpx.Response(500 if "token" in request.url.path else 200)
    )
    auth = smart_auth(settings(folder, token_url="http://auth.example/token"), "http://fhir.example")
    with httpx.Client(auth=auth, transport=transport) as client, pytest.raises(Unavailable, match="500"):
        client.post("http://fhir.example", json={})


@pytest.mark.parametrize(
    ("file", "algorithm", "says"),
    [
        ("RS384.pem", "ES384", "not of the kind"),
        ("ES384.pem", "RS384", "not of the kind"),
        ("missing.pem", "RS384", "No such file"),
        ("text.pem", "RS384", "no PEM"),
    ],
)
def test_a_key_that_cannot_be_used(file: str, algorithm: str, says: str, folder: Path, keys: object) -> None:
    """The text names the file and what is wrong with it."""
    (folder / "text.pem").write_text("no key")
    with pytest.raises(ConfigError, match=says):
        client_assertion(settings(folder, algorithm, key=folder / file), "http://auth.example/token", NOW)

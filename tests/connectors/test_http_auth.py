"""Each kind of `[archives.auth]` against servers that check it: tokens, refresh, signatures, refusals."""

import json
import os
from base64 import b64encode
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from radflow.connectors.archive import ArchiveUnavailable, Wanted, open_archive
from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.http_auth import credentials_for, httpx_auth
from radflow.connectors.oauth2 import ClientCredentials
from radflow.connectors.transfer.instances import Fetched
from radflow.connectors.transfer.search import search_studies
from radflow.connectors.transfer.stow import StowTarget
from radflow.settings import ConfigError, DicomWebArchive
from radflow.settings.archive_auth import (
    AwsAuth,
    AzureAuth,
    BasicAuth,
    BearerAuth,
    GoogleAuth,
    NoAuth,
    OAuth2,
    Secret,
)
from radflow.settings.base import Section
from tests import images
from tests.certificates import Certificates
from tests.conftest import NOW
from tests.connectors import auth_servers
from tests.connectors.auth_servers import Asked, Server, Tokens, serving

UTC = ZoneInfo("UTC")
DATASTORE = "d9a2a515ab294163a2d2f4069eed584c"
PATHS = {
    "google": "/v1/projects/p/locations/l/datasets/d/dicomStores/s/dicomWeb",
    "azure": "/v2",
    "aws": f"/datastore/{DATASTORE}",
}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Tokens are kept for the life of a process; here for that of a test."""
    credentials_for.cache_clear()
    yield
    credentials_for.cache_clear()


def archive(server: Server, auth: Any) -> DicomWebArchive:
    return DicomWebArchive(
        kind="dicomweb", name="cloud", url=server.url + PATHS.get(auth.kind, "/dicomweb"), auth=auth
    )


def ask(server: Server, auth: Any) -> None:
    """By requests, as the sweep does, and by httpx, as the mover does: nothing is found."""
    its = archive(server, auth)
    wanted = [Wanted(uid, "", date(2026, 11, 24)) for uid in ("1.2.3", "1.2.4")]
    for find_by in ("date-range", "uid-list"):
        asked = open_archive(its.model_copy(update={"find_by": find_by}), UTC)
        assert asked.find_studies(wanted, date(2026, 11, 24)) == []
    assert search_studies(its, UTC, {"PatientID": "4711 ä/+&"}) == []


def secret(monkeypatch: pytest.MonkeyPatch, value: str) -> Secret:
    monkeypatch.setenv("TEST_ARCHIVE_SECRET", value)
    return Secret(env="TEST_ARCHIVE_SECRET")


def refused(server: Server, auth: Any) -> None:
    """Both ways say no."""
    its = archive(server, auth)
    with pytest.raises((ArchiveUnavailable, Refused), match=r"40[13]"):
        open_archive(its, UTC).describe("1.2.3")
    with pytest.raises(Refused, match=r"not allowed to us: 40[13]"):
        search_studies(its, UTC, {"PatientID": "4711"})


def test_none() -> None:
    """Nothing is shown."""
    with serving(lambda asked: (401 if "authorization" in asked.headers else 200, [])) as server:
        ask(server, NoAuth())


def test_basic(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7617, in UTF-8; a wrong password is refused."""
    right = "Basic " + b64encode("radflow:pässword".encode()).decode()
    with serving(lambda asked: (200 if asked.headers.get("authorization") == right else 401, [])) as server:
        ask(server, BasicAuth(kind="basic", user="radflow", password=secret(monkeypatch, "pässword")))
        credentials_for.cache_clear()
        refused(server, BasicAuth(kind="basic", user="radflow", password=secret(monkeypatch, "wrong")))


def test_bearer_from_a_file_that_somebody_keeps_fresh(tmp_path: Path) -> None:
    """When the token is refused the file is read again, and the request repeated."""
    tokens = Tokens()
    file = tmp_path / "token"
    file.write_text(tokens.issue() + "\n")
    auth = BearerAuth(kind="bearer", token=Secret(file=file))
    with serving(tokens.archive) as server:
        ask(server, auth)
        tokens.good.clear()
        refused(server, auth)
        file.write_text(tokens.issue())
        ask(server, auth)


class TestOAuth2:
    """Client credentials."""

    @pytest.fixture
    def tokens(self) -> Tokens:
        return Tokens()

    @pytest.fixture
    def issuer(self, tokens: Tokens) -> Iterator[Server]:
        """Wants the secret where it was told to be."""

        def issue(asked: Asked) -> tuple[int, Any]:
            basic = "Basic " + b64encode(b"radflow:s3cret").decode()
            in_form = (asked.form.get("client_id"), asked.form.get("client_secret")) == ("radflow", "s3cret")
            known = asked.headers.get("authorization") == basic or in_form
            if not known or asked.form.get("grant_type") != "client_credentials":
                return 401, {"error": "invalid_client"}
            return 200, {"access_token": tokens.issue(), "token_type": "Bearer", "expires_in": 600}

        with serving(issue) as server:
            yield server

    def auth(
        self, issuer: Server, monkeypatch: pytest.MonkeyPatch, value: str = "s3cret", **more: Any
    ) -> OAuth2:
        return OAuth2(
            kind="oauth2", token_url=f"{issuer.url}/token", client_id="radflow",
            client_secret=secret(monkeypatch, value), scope="dicom", **more,
        )  # fmt: skip

    @pytest.mark.parametrize("client_auth", ["header", "form"])
    def test_one_token_serves_all(
        self, issuer: Server, tokens: Tokens, monkeypatch: pytest.MonkeyPatch, client_auth: str
    ) -> None:
        """Of all clients of the process, until it is refused: then one more is fetched."""
        auth = self.auth(issuer, monkeypatch, client_auth=client_auth)
        with serving(tokens.archive) as server:
            ask(server, auth)
            ask(server, auth)
            assert tokens.issued == ["token-1"]
            tokens.good.clear()
            ask(server, auth)
            assert tokens.issued == ["token-1", "token-2"]
        assert issuer.asked[0].form["scope"] == "dicom"
        assert ("client_secret" in issuer.asked[0].form) == (client_auth == "form")

    def test_a_token_is_replaced_before_its_end(
        self, issuer: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Thirty seconds before it, so that it does not end on the way."""
        clock = [NOW]
        tokens = ClientCredentials(self.auth(issuer, monkeypatch), now=lambda: clock[0])
        assert tokens.token() == "token-1"
        clock[0] = NOW + timedelta(seconds=569)
        assert tokens.token() == "token-1"
        clock[0] = NOW + timedelta(seconds=570)
        assert tokens.token() == "token-2"

    def test_a_wrong_secret(self, issuer: Server, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
        """The issuer says no: a person is asked. It is in no text."""
        auth = self.auth(issuer, monkeypatch, "wrong")
        with serving(tokens.archive) as server, pytest.raises(Refused, match="no token: HTTP 401") as error:
            search_studies(archive(server, auth), UTC, {})
        assert "wrong" not in str(error.value)

    def test_an_issuer_that_is_away(
        self, issuer: Server, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is tried again later."""
        auth = self.auth(issuer, monkeypatch).model_copy(update={"token_url": "http://127.0.0.1:1/token"})
        with serving(tokens.archive) as server, pytest.raises(Unavailable, match="ConnectError"):
            search_studies(archive(server, auth), UTC, {})

    def test_a_body_is_sent_again(
        self, issuer: Server, tokens: Tokens, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """STOW-RS with a token that has just ended: the same instances, from their files, with a new one."""
        auth = self.auth(issuer, monkeypatch)
        with serving(tokens.archive) as server:
            ask(server, auth)
            tokens.good.clear()
            stow = StowTarget(archive(server, auth), most_bytes=10**6)
            assert [one.reason for one in stow.send(files(tmp_path))] == ["", ""]
            before, after = server.asked[-2:]
            assert (before.body, before.path) == (after.body, "/dicomweb/studies")
            assert before.headers["authorization"] != after.headers["authorization"]


def files(folder: Path) -> list[Fetched]:
    found = []
    for number, image in enumerate(images.small_study(1)):
        file = folder / f"{number}.dcm"
        file.write_bytes(images.as_file(image))
        found.append(Fetched.from_file(file))
    return found


class TestGoogle:
    """A service account."""

    KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @pytest.fixture
    def tokens(self) -> Tokens:
        return Tokens()

    @pytest.fixture
    def issuer(self, tokens: Tokens) -> Iterator[Server]:
        """Google's token endpoint: takes a JWT (RFC 7523) that the account's key has signed, for it."""

        def issue(asked: Asked) -> tuple[int, Any]:
            assert asked.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            try:
                claims = jwt.decode(
                    asked.form["assertion"], self.KEY.public_key(), algorithms=["RS256"],
                    audience="https://oauth2.googleapis.com/token",
                    issuer="radflow@p.iam.gserviceaccount.com",
                )  # fmt: skip
            except jwt.InvalidTokenError:
                return 400, {"error": "invalid_grant"}
            assert claims["scope"] == "https://www.googleapis.com/auth/cloud-healthcare"
            return 200, {"access_token": tokens.issue(), "token_type": "Bearer", "expires_in": 3600}

        with serving(issue) as server:
            yield server

    def auth(self, issuer: Server, folder: Path, key: rsa.RSAPrivateKey) -> GoogleAuth:
        file = folder / "account.json"
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        account = {
            "type": "service_account", "client_email": "radflow@p.iam.gserviceaccount.com",
            "token_uri": f"{issuer.url}/token", "private_key": pem.decode(), "private_key_id": "k1",
        }  # fmt: skip
        file.write_text(json.dumps(account))
        return GoogleAuth(kind="google", key_file=file)

    def test_signed_and_renewed(self, issuer: Server, tokens: Tokens, tmp_path: Path) -> None:
        """The signature is checked with the public key; a token that is refused is replaced."""
        auth = self.auth(issuer, tmp_path, self.KEY)
        with serving(tokens.archive) as server:
            ask(server, auth)
            assert tokens.issued == ["token-1"]
            tokens.good.clear()
            ask(server, auth)
            assert tokens.issued == ["token-1", "token-2"]
            assert server.asked[0].path.startswith(f"{PATHS['google']}/studies?")

    def test_another_key(self, issuer: Server, tokens: Tokens, tmp_path: Path) -> None:
        """Refused."""
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        auth = self.auth(issuer, tmp_path, other)
        with serving(tokens.archive) as server, pytest.raises(Refused, match="Google gives no token"):
            search_studies(archive(server, auth), UTC, {})
        assert tokens.issued == []

    def test_a_file_that_is_no_key(self, tmp_path: Path) -> None:
        """Says what it should be."""
        (tmp_path / "key.json").write_text("{}")
        with pytest.raises(ConfigError, match="no service account's key"):
            httpx_auth(GoogleAuth(kind="google", key_file=tmp_path / "key.json"))


class TestAzure:
    """Client credentials at Entra, over TLS, as azure-identity wants."""

    TENANT = "0f4c5a9e-0000-4000-8000-000000000001"

    @pytest.fixture
    def tokens(self) -> Tokens:
        return Tokens()

    @pytest.fixture
    def issuer(self, tokens: Tokens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
        """OpenID discovery, and the token endpoint."""
        certificates = Certificates.made_in(tmp_path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))

        def issue(asked: Asked) -> tuple[int, Any]:
            root = f"{server.url}/{self.TENANT}"
            if asked.path.endswith("/.well-known/openid-configuration"):
                return 200, {
                    "token_endpoint": f"{root}/oauth2/v2.0/token",
                    "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
                    "issuer": f"{root}/v2.0",
                }
            assert asked.path == f"/{self.TENANT}/oauth2/v2.0/token"
            if (asked.form["client_id"], asked.form.get("client_secret")) != ("radflow", "s3cret"):
                return 401, {"error": "invalid_client", "error_description": "AADSTS7000215"}
            assert asked.form["scope"] == "https://dicom.healthcareapis.azure.com/.default"
            return 200, {"access_token": tokens.issue(), "token_type": "Bearer", "expires_in": 3600}

        with serving(issue, certificates.server_context()) as server:
            yield server

    def auth(self, issuer: Server, monkeypatch: pytest.MonkeyPatch, value: str = "s3cret") -> AzureAuth:
        return AzureAuth(
            kind="azure", tenant_id=self.TENANT, client_id="radflow",
            client_secret=secret(monkeypatch, value), authority=f"127.0.0.1:{issuer.port}",
        )  # fmt: skip

    def test_one_token_until_it_is_refused(
        self, issuer: Server, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """azure-identity keeps it; a refused one is replaced."""
        auth = self.auth(issuer, monkeypatch)
        with serving(tokens.archive) as server:
            ask(server, auth)
            assert tokens.issued == ["token-1"]
            tokens.good.clear()
            ask(server, auth)
            assert tokens.issued == ["token-1", "token-2"]
            assert server.asked[0].path.startswith("/v2/studies?")

    def test_a_wrong_secret(self, issuer: Server, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
        """Refused, and in no text."""
        auth = self.auth(issuer, monkeypatch, "wrong")
        with serving(tokens.archive) as server, pytest.raises(Refused, match="Entra gives no token") as error:
            search_studies(archive(server, auth), UTC, {})
        assert "wrong" not in str(error.value)


class TestAws:
    """Signature Version 4; the server computes it by hand from what it has received."""

    def auth(self, monkeypatch: pytest.MonkeyPatch, key: str, **more: Any) -> AwsAuth:
        monkeypatch.setenv("TEST_ACCESS_KEY", "AKIDEXAMPLE")
        return AwsAuth(
            kind="aws", region="eu-central-1", access_key_id=Secret(env="TEST_ACCESS_KEY"),
            secret_access_key=secret(monkeypatch, key), **more,
        )  # fmt: skip

    def test_queries_are_signed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Path, query, host and the empty body, by both clients, on HealthImaging's paths."""
        with serving(auth_servers.aws_archive("right")) as server:
            ask(server, self.auth(monkeypatch, "right"))
            assert all(one.path.startswith(f"/datastore/{DATASTORE}/studies") for one in server.asked)

    def test_bodies_are_signed(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """STOW-RS from files: their digest is signed, and they are read again to be sent."""
        with serving(auth_servers.aws_archive("right")) as server:
            stow = StowTarget(archive(server, self.auth(monkeypatch, "right")), most_bytes=10**6)
            assert [one.reason for one in stow.send(files(tmp_path))] == ["", ""]
            assert server.asked[0].body.count(b"DICM") == 2

    def test_a_wrong_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Refused: 403."""
        with serving(auth_servers.aws_archive("right")) as server:
            refused(server, self.auth(monkeypatch, "wrong"))

    def test_another_region(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Is part of the signature."""
        with serving(auth_servers.aws_archive("right", "us-east-1")) as server:
            refused(server, self.auth(monkeypatch, "right"))

    def test_the_session_token_is_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """And signed with the rest."""
        monkeypatch.setenv("TEST_SESSION", "session")
        auth = self.auth(monkeypatch, "right", session_token=Secret(env="TEST_SESSION"))
        with serving(auth_servers.aws_archive("right")) as server:
            ask(server, auth)
            assert server.asked[0].headers["x-amz-security-token"] == "session"
            assert "x-amz-security-token" in server.asked[0].headers["authorization"]

    def test_a_request_that_was_changed_on_the_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server would notice: the test's own check can fail."""
        with serving(auth_servers.aws_archive("right")) as server:
            auth = httpx_auth(self.auth(monkeypatch, "right"))
            url = f"{server.url}/datastore/{DATASTORE}/studies"
            request = httpx.Request("GET", url, params={"PatientID": "1"})
            assert auth is not None
            signed = next(auth.sync_auth_flow(request))
            changed = httpx.Request("GET", url, params={"PatientID": "2"}, headers=signed.headers)
            with httpx.Client() as client:
                assert client.send(signed).status_code == 200
                assert client.send(changed).status_code == 403


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Secret(), "by env or by file"),
        (lambda: Secret(env="A", file=Path("b")), "by env or by file"),
        (lambda: AwsAuth(kind="aws", region="r", access_key_id=Secret(env="A")), "both or not at all"),
        (lambda: AwsAuth(kind="aws", region="r", session_token=Secret(env="A")), "belongs to"),
        (
            lambda: DicomWebArchive(
                kind="dicomweb", name="a", url="https://x/dicomWeb", auth=AwsAuth(kind="aws", region="r")
            ),
            "the url looks like https://dicom-medical-imaging",
        ),
    ],
)
def test_settings_that_are_wrong(make: Any, says: str) -> None:
    """Said when the site file is read."""
    with pytest.raises(ValidationError, match=says):
        make()


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    """Named, when it is wanted."""
    os.environ.pop("NOT_SET", None)
    for where, says in (
        (Secret(env="NOT_SET"), "environment variable NOT_SET is not set"),
        (Secret(file=tmp_path / "none"), "none cannot be read: FileNotFoundError"),
    ):
        auth: Section = BearerAuth(kind="bearer", token=where)
        with pytest.raises(ConfigError, match=says):
            credentials_for(auth)

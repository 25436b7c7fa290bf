"""The headers that say who we are, for each kind of `[archives.auth]`. Tokens are kept while they last.

google-auth, azure-identity and botocore are imported by those that use them (`pip install radflow[cloud]`).
"""

import hashlib
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.oauth2 import ClientCredentials
from radflow.settings.archive_auth import AwsAuth, AzureAuth, BasicAuth, BearerAuth, GoogleAuth, OAuth2
from radflow.settings.base import ConfigError, Section


@dataclass(frozen=True)
class Outgoing:
    """A request about to be sent, as far as a signature covers it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Callable[[], Iterable[bytes]]
    """Its bytes, as often as they are asked for."""


class Credentials(Protocol):
    """Who we are."""

    def headers(self, request: Outgoing) -> dict[str, str]:
        """What the request needs in addition.

        Raises:
            Unavailable: the server that issues tokens does not answer.
            Refused: it does not take us for who we say we are.
        """
        ...

    def renew(self) -> bool:
        """The archive has refused what `headers` said. Whether another request may fare better."""
        ...


def make_credentials(auth: Section) -> Credentials:
    """The credentials of these settings.

    Raises:
        ConfigError: a secret is not there, or a library is not installed.
    """
    try:
        return _KINDS[type(auth)](auth)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed; `pip install radflow[cloud]` brings it.") from None


class _Basic:
    def __init__(self, auth: BasicAuth) -> None:
        self._value = b64encode(f"{auth.user}:{auth.password.read()}".encode()).decode()

    def headers(self, request: Outgoing) -> dict[str, str]:
        return {"Authorization": f"Basic {self._value}"}

    def renew(self) -> bool:
        return False


class _Bearer:
    def __init__(self, auth: BearerAuth) -> None:
        self._auth = auth
        self._token = auth.token.read()

    def headers(self, request: Outgoing) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        before, self._token = self._token, self._auth.token.read()
        return before != self._token


class _OAuth2:
    def __init__(self, auth: OAuth2) -> None:
        self._tokens = ClientCredentials(auth)

    def headers(self, request: Outgoing) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens.token()}"}

    def renew(self) -> bool:
        self._tokens.forget()
        return True


class _Google:
    """A JWT that the service account's key signs is exchanged for a token (RFC 7523), by google-auth."""

    def __init__(self, auth: GoogleAuth) -> None:
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.auth.transport.requests import Request
        from google.oauth2.service_account import Credentials as ServiceAccount

        self._failure, self._broken = GoogleAuthError, TransportError
        self._transport: Any = Request
        self._lock = threading.Lock()
        try:
            self._account: Any = ServiceAccount.from_service_account_file(  # type: ignore[no-untyped-call]
                str(auth.key_file), scopes=[auth.scope]
            )
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{auth.key_file} is no service account's key ({type(error).__name__}): "
                "it is the JSON file that Google gives out once, when the key is made."
            ) from None

    def headers(self, request: Outgoing) -> dict[str, str]:
        with self._lock:
            if not self._account.valid:
                self._refresh()
            return {"Authorization": f"Bearer {self._account.token}"}

    def renew(self) -> bool:
        with self._lock:
            self._account.token = None
        return True

    def _refresh(self) -> None:
        try:
            self._account.refresh(self._transport())
        except self._failure as error:
            # Its text quotes the server's answer, which may quote the assertion.
            later = isinstance(error, self._broken) or getattr(error, "retryable", False)
            failure = Unavailable if later else Refused
            raise failure(f"Google gives no token: {type(error).__name__}") from None


class _Azure:
    """Client credentials at Microsoft Entra, by azure-identity, which keeps and renews the token."""

    def __init__(self, auth: AzureAuth) -> None:
        from azure.core.exceptions import AzureError, ClientAuthenticationError
        from azure.identity import ClientSecretCredential

        self._refusal, self._failure = ClientAuthenticationError, AzureError
        self._scope = auth.scope
        self._make: Any = lambda: ClientSecretCredential(
            auth.tenant_id, auth.client_id, auth.client_secret.read(), authority=auth.authority,
            # A sovereign cloud's or a test's authority is not known to the public one.
            disable_instance_discovery=auth.authority != "login.microsoftonline.com",
        )  # fmt: skip
        self._credential = self._make()

    def headers(self, request: Outgoing) -> dict[str, str]:
        try:
            return {"Authorization": f"Bearer {self._credential.get_token(self._scope).token}"}
        except self._refusal as error:
            raise Refused(f"Entra gives no token: {type(error).__name__}") from None
        except self._failure as error:
            raise Unavailable(f"Entra gives no token: {type(error).__name__}") from None

    def renew(self) -> bool:
        # Its cache cannot be told that a token was refused; a new one has an empty cache.
        self._credential = self._make()
        return True


class _Aws:
    """Signature Version 4 over method, path, query, headers and body, by botocore."""

    def __init__(self, auth: AwsAuth) -> None:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials as Keys
        from botocore.session import Session

        self._auth, self._signer, self._request = auth, SigV4Auth, AWSRequest
        if auth.access_key_id and auth.secret_access_key:
            token = auth.session_token.read() if auth.session_token else None
            self._keys: Any = Keys(auth.access_key_id.read(), auth.secret_access_key.read(), token)
        else:
            self._keys = Session().get_credentials()
        if self._keys is None:
            raise ConfigError(
                "No AWS credentials: give access_key_id and secret_access_key, "
                "or a profile or role that botocore finds."
            )

    def headers(self, request: Outgoing) -> dict[str, str]:
        digest = hashlib.sha256()
        for chunk in request.body():
            digest.update(chunk)
        # Only what nobody changes on the way is signed.
        signed = {"X-Amz-Content-SHA256": digest.hexdigest()}
        # A client may say another Host than its URL's, as dicomweb-client does: without the port.
        signed |= {name: value for name, value in request.headers.items() if name.lower() == "host"}
        aws = self._request(request.method, _spelled_as_aws_does(request.url), headers=signed)
        keys = self._keys.get_frozen_credentials()
        self._signer(keys, self._auth.service, self._auth.region).add_auth(aws)
        return {name: str(value) for name, value in aws.headers.items()}

    def renew(self) -> bool:
        return False


def _spelled_as_aws_does(url: str) -> str:
    """The URL as AWS spells it before it computes the signature: botocore takes its query as it stands."""
    parts = urlsplit(url)
    query = urlencode(parse_qsl(parts.query, keep_blank_values=True), quote_via=quote, safe="-_.~")
    return urlunsplit(parts._replace(query=query))


_KINDS: dict[type[Section], Callable[[Any], Credentials]] = {
    BasicAuth: _Basic,
    BearerAuth: _Bearer,
    OAuth2: _OAuth2,
    GoogleAuth: _Google,
    AzureAuth: _Azure,
    AwsAuth: _Aws,
}
"""A kind of authentication in the site file → what makes its headers. A new kind is one entry here."""

"""Tokens of OAuth 2.0 (RFC 6749): fetched, kept while they are good, fetched anew when they are refused."""

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson

from radflow.clock import utc_now
from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.tls import https_context
from radflow.settings.archive_auth import OAuth2

TokenFlow = Generator[httpx.Request, httpx.Response, "Token"]
"""Sends the requests that lead to a token, and returns it."""

MARGIN = timedelta(seconds=30)
"""So long before its end a token is no longer used: the request has to arrive in time."""
UNTOLD_LIFE = timedelta(minutes=5)
"""`expires_in` is only recommended (RFC 6749 §5.1); SMART wants no token to live longer than this."""


@dataclass(frozen=True)
class Token:
    value: str
    good_until: datetime


class TokenAuth(httpx.Auth):
    """Shows a token with each request. One that the server no longer takes (401) is fetched anew, once.

    The flow's requests go through the client that is used, so its TLS and its time-out hold for them too.
    """

    requires_response_body = True

    def __init__(
        self, fetch: Callable[[httpx.Request], TokenFlow], now: Callable[[], datetime] = utc_now
    ) -> None:
        """`fetch` is given the request that needs the token."""
        self._fetch = fetch
        self._now = now
        self._token: Token | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._token
        if token is None or token.good_until <= self._now():
            token = self._token = yield from self._fetch(request)
        response = yield _showing(token, request)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._token = yield from self._fetch(request)
            yield _showing(self._token, request)


class ClientCredentials:
    """The token of a client that has a secret (§4.4), for whatever library sends the requests."""

    def __init__(self, auth: OAuth2, now: Callable[[], datetime] = utc_now) -> None:
        self._auth = auth
        self._now = now
        self._lock = threading.Lock()
        self._token: Token | None = None

    def token(self) -> str:
        """A token that lasts for some time yet.

        Raises:
            Unavailable: the authorisation server does not answer.
            Refused: it gives none.
        """
        with self._lock:
            if self._token is None or self._token.good_until <= self._now():
                self._token = token_of(self._ask(), self._now())
            return self._token.value

    def forget(self) -> None:
        """The archive has refused it."""
        with self._lock:
            self._token = None

    def _ask(self) -> httpx.Response:
        auth = self._auth
        asked = {"grant_type": "client_credentials", "scope": auth.scope, "audience": auth.audience}
        secret = auth.client_secret.read()
        basic = httpx.BasicAuth(auth.client_id, secret) if auth.client_auth == "header" else None
        if basic is None:
            asked |= {"client_id": auth.client_id, "client_secret": secret}
        try:
            return httpx.post(
                auth.token_url,
                data={name: value for name, value in asked.items() if value},
                auth=basic,
                verify=https_context(),
            )
        except httpx.HTTPError as error:
            raise Unavailable(f"the authorisation server: {type(error).__name__}") from error


def form(url: str, data: dict[str, str], *, for_: httpx.Request, **headers: str) -> httpx.Request:
    """A POST of a form, with the time-out of the request that it is made for."""
    return httpx.Request(
        "POST", url, data=data, headers={"Accept": "application/json", **headers}, extensions=timeout_of(for_)
    )


def timeout_of(request: httpx.Request) -> dict[str, Any]:
    """Of a request's extensions the time-out alone: the TLS name is another server's."""
    return {name: value for name, value in request.extensions.items() if name == "timeout"}


def token_of(response: httpx.Response, now: datetime) -> Token:
    """The token of an access token response (§5.1); of one that does not live long, half its life is used.

    Raises:
        Unavailable: the server may answer later.
        Refused: it has said no, or says nothing that can be read.
    """
    answer = json_of(response)
    if response.status_code >= 500 or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise Unavailable(f"the authorisation server answers HTTP {response.status_code}")
    try:
        if not response.is_success:
            raise LookupError
        value, life = str(answer["access_token"]), _life(answer)
    except (LookupError, TypeError, ValueError, OverflowError):
        code = str(answer.get("error", "no access_token"))[:40]
        status = response.status_code
        raise Refused(f"the authorisation server gives no token: HTTP {status}, {code}") from None
    return Token(value, now + max(life - MARGIN, life / 2))


def json_of(response: httpx.Response) -> dict[str, Any]:
    """The response's JSON object; empty where it has none."""
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _life(answer: dict[str, Any]) -> timedelta:
    return timedelta(seconds=float(answer["expires_in"])) if "expires_in" in answer else UNTOLD_LIFE


def _showing(token: Token, request: httpx.Request) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token.value}"
    return request

"""A bearer token that is fetched, kept while it is good, and fetched anew: what OAuth 2.0 clients share."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson

from radflow.clock import utc_now
from radflow.connectors.errors import Refused, Unavailable

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


def _showing(token: Token, request: httpx.Request) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token.value}"
    return request


def form(url: str, data: dict[str, str], *, for_: httpx.Request, **headers: str) -> httpx.Request:
    """A POST of a form, with the time-out of the request that it is made for."""
    return httpx.Request(
        "POST", url, data=data, headers={"Accept": "application/json", **headers}, extensions=timeout_of(for_)
    )


def timeout_of(request: httpx.Request) -> dict[str, Any]:
    """Of a request's extensions the time-out alone: the TLS name is another server's."""
    return {name: value for name, value in request.extensions.items() if name == "timeout"}


def token_of(response: httpx.Response, now: datetime) -> Token:
    """The token of an access token response (RFC 6749 §5.1).

    Raises:
        Unavailable: the server may answer later.
        Refused: it has said no, or says nothing that can be read.
    """
    answer = json_of(response)
    if response.status_code >= 500 or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise Unavailable(f"The authorization server answers HTTP {response.status_code}")
    if not response.is_success or "access_token" not in answer:
        code = answer.get("error", "no access_token")
        raise Refused(f"The authorization server answers HTTP {response.status_code}: {str(code)[:40]}")
    life = timedelta(seconds=float(answer["expires_in"])) if "expires_in" in answer else UNTOLD_LIFE
    return Token(answer["access_token"], now + life - MARGIN)


def json_of(response: httpx.Response) -> dict[str, Any]:
    """The response's JSON object; empty where it has none."""
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}

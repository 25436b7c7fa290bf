"""Showing an archive on the web who we are, over httpx and over requests: each kind of `[archives.auth]`.

A refused token (401) is replaced once and the request repeated; so a body has to be readable again.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
import requests
from requests.auth import AuthBase

from radflow.connectors.http_credentials import Credentials, Outgoing, make_credentials
from radflow.settings.archive_auth import NoAuth
from radflow.settings.base import Section

_UNAUTHORIZED = 401


@cache
def credentials_for(auth: Section) -> Credentials | None:
    """The credentials of these settings, shared by all clients of the process: one token serves them all.

    Raises:
        ConfigError: a secret is not there, or the library that makes the token is not installed.
    """
    return None if isinstance(auth, NoAuth) else make_credentials(auth)


def httpx_auth(auth: Section) -> httpx.Auth | None:
    """As httpx wants it. Raises as `credentials_for`."""
    credentials = credentials_for(auth)
    return _HttpxAuth(credentials) if credentials else None


def requests_auth(auth: Section) -> AuthBase | None:
    """As requests wants it. Raises as `credentials_for`."""
    credentials = credentials_for(auth)
    return _RequestsAuth(credentials) if credentials else None


@dataclass(frozen=True)
class _HttpxAuth(httpx.Auth):
    credentials: Credentials

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        self._sign(request)
        response = yield request
        if response.status_code == _UNAUTHORIZED and self.credentials.renew():
            self._sign(request)
            yield request

    def _sign(self, request: httpx.Request) -> None:
        stream = request.stream
        assert isinstance(stream, httpx.SyncByteStream)
        request.headers.update(
            self.credentials.headers(
                Outgoing(request.method, str(request.url), dict(request.headers), lambda: stream)
            )
        )


@dataclass(frozen=True)
class _RequestsAuth(AuthBase):
    credentials: Credentials

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self._sign(request)
        request.hooks.setdefault("response", []).append(self._again_when_refused)
        return request

    def _sign(self, request: requests.PreparedRequest) -> None:
        outgoing = Outgoing(
            str(request.method), str(request.url), dict(request.headers), lambda: _chunks(request.body)
        )
        request.headers.update(self.credentials.headers(outgoing))

    def _again_when_refused(self, response: requests.Response, **how: Any) -> requests.Response:
        if response.status_code != _UNAUTHORIZED or not self.credentials.renew():
            return response
        _ = response.content  # the connection is free for the next request once this one is read
        response.close()
        request = response.request.copy()
        self._sign(request)
        request.hooks["response"] = []
        connection: Any = getattr(response, "connection")  # noqa: B009 (requests sets it, its types do not say so)
        again: requests.Response = connection.send(request, **how)
        again.history.append(response)
        again.request = request
        return again


def _chunks(body: Any) -> Iterable[bytes]:
    if body is None:
        return ()
    return (body.encode(),) if isinstance(body, str) else (body,) if isinstance(body, bytes) else body

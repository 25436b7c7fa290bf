"""Tokens for OAuth 2.0 client credentials (RFC 6749 §4.4)."""

import threading
import time
from collections.abc import Callable

import httpx

from radflow.connectors.errors import Refused, Unavailable
from radflow.settings.archive_auth import OAuth2

_EARLY = 30
"""Seconds before its end in which a token is not used any more."""
_WITHOUT_END = 300
"""Seconds for which a token is kept whose server does not say how long it lasts."""


class ClientCredentials:
    """A token, kept as long as it lasts."""

    def __init__(self, auth: OAuth2, clock: Callable[[], float] = time.monotonic) -> None:
        self._auth = auth
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def token(self) -> str:
        """A token that lasts for some time yet.

        Raises:
            Unavailable: the authorisation server does not answer.
            Refused: it gives none.
        """
        with self._lock:
            if not self._token or self._clock() >= self._until:
                self._fetch()
            return self._token

    def forget(self) -> None:
        """The archive has refused it."""
        with self._lock:
            self._token = ""

    def _fetch(self) -> None:
        answer = self._ask()
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Unavailable(f"the authorisation server answers {answer.status_code}")
        try:
            body = answer.json()
            token, seconds = body["access_token"], float(body.get("expires_in", _WITHOUT_END))
        except (ValueError, TypeError, KeyError):
            raise Refused(f"the authorisation server gives no token: {answer.status_code}") from None
        self._token = str(token)
        # Of a short-lived token half is used.
        self._until = self._clock() + max(seconds - _EARLY, seconds / 2)

    def _ask(self) -> httpx.Response:
        auth = self._auth
        form = {"grant_type": "client_credentials", "scope": auth.scope, "audience": auth.audience}
        secret = auth.client_secret.read()
        basic = httpx.BasicAuth(auth.client_id, secret) if auth.client_auth == "header" else None
        if basic is None:
            form |= {"client_id": auth.client_id, "client_secret": secret}
        try:
            return httpx.post(
                auth.token_url, data={name: value for name, value in form.items() if value}, auth=basic
            )
        except httpx.HTTPError as error:
            raise Unavailable(f"the authorisation server: {type(error).__name__}") from error

"""Showing a FHIR server who we are: each kind of `[fhir.auth]`."""

from functools import cache

import httpx

from radflow.connectors.http_auth import httpx_auth
from radflow.connectors.smart import smart_auth
from radflow.settings.base import Section
from radflow.settings.smart import SmartBackendServices


@cache
def fhir_auth(auth: Section, url: str) -> httpx.Auth | None:
    """As httpx wants it; one for all publications of the process, so that a token serves them all.

    Raises:
        ConfigError: a secret is not there.
    """
    return smart_auth(auth, url) if isinstance(auth, SmartBackendServices) else httpx_auth(auth)

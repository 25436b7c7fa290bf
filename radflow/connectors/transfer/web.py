"""What STOW-RS and WADO-RS have in common: a client that shows who it is, and what an HTTP status means."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from radflow.connectors.errors import Refused
from radflow.connectors.http_auth import httpx_auth
from radflow.connectors.tls import https_context, sni
from radflow.connectors.wanted import ArchiveUnavailable
from radflow.settings import DicomWebArchive

_LATER = (408, 425, 429)
_IDLE = 0.5
"""Seconds. Orthanc closes a connection that is idle for one; what is sent on it just then is lost."""


def client_of(archive: DicomWebArchive) -> httpx.Client:
    """A client with the archive's authentication and TLS.

    Raises:
        ConfigError: a secret or a certificate is not there.
    """
    return httpx.Client(
        auth=httpx_auth(archive.auth),
        timeout=archive.timeout_seconds,
        limits=httpx.Limits(keepalive_expiry=_IDLE),
        verify=https_context(archive.tls),
        event_hooks={"request": [lambda request: request.extensions.update(sni(archive.tls))]},
    )


@contextmanager
def unavailable_when_broken(archive: str, what: str) -> Iterator[None]:
    """A connection that fails is an archive that does not answer."""
    try:
        yield
    except httpx.HTTPError as error:
        raise ArchiveUnavailable(f"archive {archive}: {what} failed: {type(error).__name__}") from error


def check_status(status: int, archive: str, what: str) -> None:
    """Raise for a status that is said of the request as a whole.

    Raises:
        ArchiveUnavailable: the archive is busy or broken.
        Refused: it does not know us, or does not let us.
    """
    if status in _LATER or (status >= 500 and status != httpx.codes.NOT_IMPLEMENTED):
        raise ArchiveUnavailable(f"archive {archive}: {what} failed: {status}")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise Refused(f"archive {archive}: {what} is not allowed to us: {status}")

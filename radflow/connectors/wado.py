"""WADO-RS of one instance (PS3.18 §10.4), as multipart/related of application/dicom."""

import requests
from pydicom import Dataset

from radflow.connectors.instances import NotRetrievable, decode_instance, too_large
from radflow.connectors.multipart import NotMultipart, first_part
from radflow.connectors.wanted import ArchiveUnavailable

_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""In whatever transfer syntax it is kept: nothing is to be converted."""

_NOT_THERE = (404, 410)
_LATER = (408, 425, 429)
_CHUNK = 64 * 1024
_ENVELOPE = 4 * 1024
"""Bytes that the boundaries and headers of the one part may take."""


def get_instance(
    session: requests.Session, url: str, archive: str, timeout: float, largest: int
) -> Dataset | None:
    """The instance; None when the archive has it not.

    Raises:
        ArchiveUnavailable: it does not answer, or is busy.
        NotRetrievable: it says no, answers something else, or sends more than `largest` bytes.
    """
    try:
        with session.get(url, headers={"Accept": _ACCEPT}, timeout=timeout, stream=True) as response:
            if response.status_code in _NOT_THERE:
                return None
            _check(response.status_code, archive)
            body = _bounded(response, archive, largest)
            part10 = first_part(response.headers.get("Content-Type", ""), body)
    except requests.RequestException as error:
        raise ArchiveUnavailable(f"archive {archive}: WADO-RS failed: {type(error).__name__}") from error
    except NotMultipart as error:
        raise NotRetrievable(f"archive {archive}: the answer to WADO-RS has {error}") from error
    return decode_instance(archive, part10)


def _check(status: int, archive: str) -> None:
    if status >= 500 or status in _LATER:
        raise ArchiveUnavailable(f"archive {archive}: WADO-RS failed: {status}")
    if status != requests.codes.ok:
        raise NotRetrievable(f"archive {archive}: WADO-RS is refused: {status}")


def _bounded(response: requests.Response, archive: str, largest: int) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > largest + _ENVELOPE:
            raise too_large(archive, largest)
    return bytes(body)

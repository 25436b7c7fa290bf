"""Fetching instances by WADO-RS (PS3.18 §10.4), each into its file as it comes."""

from collections.abc import Sequence
from pathlib import Path

import httpx

from radflow.connectors.multipart import NotMultipart
from radflow.connectors.transfer.instances import Fetched, Listed, Outcome
from radflow.connectors.transfer.parts import write_first_part
from radflow.connectors.transfer.web import check_status, client_of, unavailable_when_broken
from radflow.settings import DicomWebArchive

_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""In whatever transfer syntax it is kept: nothing is to be converted."""
_CHUNK = 64 * 1024


class WadoSource:
    """An archive that hands out instances by WADO-RS."""

    def __init__(self, archive: DicomWebArchive) -> None:
        self._archive = archive
        self._root = archive.url.rstrip("/")
        self._client = client_of(archive)

    def fetch(self, wanted: Sequence[Listed], folder: Path) -> tuple[list[Fetched], list[Outcome]]:
        """Bring the instances into the folder; and say which did not come.

        Raises:
            ArchiveUnavailable: it does not answer.
            Refused: it does not let us.
        """
        fetched: list[Fetched] = []
        failed: list[Outcome] = []
        for number, one in enumerate(wanted):
            came = self._fetch(one, folder / f"{number}.dcm")
            (fetched if isinstance(came, Fetched) else failed).append(came)  # type: ignore[arg-type]
        return fetched, failed

    def _fetch(self, one: Listed, file: Path) -> Fetched | Outcome:
        url = f"{self._root}/studies/{one.study}/series/{one.series}/instances/{one.instance}"
        with (
            unavailable_when_broken(self._archive.name, "WADO-RS"),
            self._client.stream("GET", url, headers={"Accept": _ACCEPT}) as answer,
        ):
            check_status(answer.status_code, self._archive.name, "WADO-RS")
            if answer.status_code != httpx.codes.OK:
                return Outcome(one.instance, f"WADO-RS: HTTP {answer.status_code}")
            try:
                with file.open("wb") as opened:
                    write_first_part(
                        answer.headers.get("Content-Type", ""), answer.iter_bytes(_CHUNK), opened
                    )
            except NotMultipart as error:
                return Outcome(one.instance, f"WADO-RS: the answer has {error}", later=True)
        return _as_asked(one, file)


def _as_asked(one: Listed, file: Path) -> Fetched | Outcome:
    try:
        fetched = Fetched.from_file(file)
    except Exception as error:
        # pydicom raises many kinds; their texts may quote values.
        return Outcome(one.instance, f"WADO-RS: no readable DICOM file came ({type(error).__name__})")
    if fetched.instance != one.instance:
        return Outcome(one.instance, "WADO-RS: another instance came")
    return fetched

"""An image archive, as radflow asks it: one small interface, two ways to speak it, and a fake for tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from radflow.connectors.dicomweb import DicomWebClient
from radflow.connectors.dimse import DimseClient
from radflow.connectors.wanted import ArchiveUnavailable, Wanted, only_wanted
from radflow.model import Study
from radflow.settings import DicomWebArchive, DimseArchive

__all__ = ["ArchiveClient", "ArchiveUnavailable", "FakeArchive", "Wanted", "open_archive"]


class ArchiveClient(Protocol):
    """Where images are looked for."""

    def find_studies(self, wanted: Sequence[Wanted], today: date) -> list[Study]:
        """Those of the wanted studies that are there, without series: one query, however many are wanted.

        Raises:
            ArchiveUnavailable: it does not answer.
        """
        ...

    def describe(self, study_instance_uid: str) -> Study | None:
        """A study with its series and instances; None when the archive has none of this UID.

        Raises:
            ArchiveUnavailable: it does not answer.
        """
        ...


_CLIENTS: dict[str, Callable[[Any, ZoneInfo], ArchiveClient]] = {
    "dimse": DimseClient,
    "dicomweb": DicomWebClient,
}
"""A kind of archive in the site file → its client. A new kind is one entry here."""


def open_archive(archive: DimseArchive | DicomWebArchive, zone: ZoneInfo) -> ArchiveClient:
    """A client of this archive, whose local times are in this zone; it connects when it is asked."""
    return _CLIENTS[archive.kind](archive, zone)


@dataclass
class FakeArchive:
    """An archive in memory that counts what it is asked."""

    studies: list[Study] = field(default_factory=list)
    down: bool = False
    queries: int = 0

    def find_studies(self, wanted: Sequence[Wanted], today: date) -> list[Study]:
        self._asked()
        return [study.model_copy(update={"series": ()}) for study in only_wanted(self.studies, wanted)]

    def describe(self, study_instance_uid: str) -> Study | None:
        self._asked()
        return next((s for s in self.studies if s.study_instance_uid == study_instance_uid), None)

    def _asked(self) -> None:
        self.queries += 1
        if self.down:
            raise ArchiveUnavailable("the fake archive is down")

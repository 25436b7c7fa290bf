"""An image archive, as radflow asks it: one small interface, two ways to speak it, and a fake for tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from pydicom import Dataset

from radflow.connectors.dicomweb import DicomWebClient
from radflow.connectors.dimse import DimseClient
from radflow.connectors.instances import LARGEST_INSTANCE
from radflow.connectors.wanted import ArchiveUnavailable, Counts, Wanted, only_wanted
from radflow.model import Study
from radflow.settings import DicomWebArchive, DimseArchive

__all__ = ["ArchiveClient", "ArchiveUnavailable", "Counts", "FakeArchive", "Wanted", "open_archive"]


class ArchiveClient(Protocol):
    """Where images are looked for."""

    def echo(self) -> None:
        """See that it is there; within seconds, however long it may take to answer a query.

        Raises:
            ArchiveUnavailable: it is not.
        """
        ...

    def find_studies(self, wanted: Sequence[Wanted], today: date) -> list[Study]:
        """Those of the wanted studies that are there, without series: one query, however many are wanted.

        Raises:
            ArchiveUnavailable: it does not answer.
        """
        ...

    def find_period(self, first: date, last: date) -> list[Study]:
        """Every study of these days (both included), without series; a day is the archive's own.

        Raises:
            ArchiveUnavailable: it does not answer.
        """
        ...

    def count(self, study_instance_uid: str) -> Counts:
        """How many series and instances the study has, by queries below study level.

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

    def fetch(
        self, study: str, series: str, instance: str, largest: int = LARGEST_INSTANCE
    ) -> Dataset | None:
        """One SR document or key object selection, by its UIDs; None when the archive has it not.

        Raises:
            ArchiveUnavailable: it does not answer.
            NotRetrievable: it does not hand it out, or hands out more than `largest` bytes.
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
    documents: list[Dataset] = field(default_factory=list)
    down: bool = False
    queries: int = 0

    def echo(self) -> None:
        if self.down:
            raise ArchiveUnavailable("the fake archive is down")

    def find_studies(self, wanted: Sequence[Wanted], today: date) -> list[Study]:
        self._asked()
        return [study.model_copy(update={"series": ()}) for study in only_wanted(self.studies, wanted)]

    def find_period(self, first: date, last: date) -> list[Study]:
        """By the UTC day; a study without a time is of every day."""
        self._asked()
        return [
            study.model_copy(update={"series": ()})
            for study in self.studies
            if study.started is None or first <= study.started.date() <= last
        ]

    def count(self, study_instance_uid: str) -> Counts:
        study = self.describe(study_instance_uid)
        series = study.series if study else ()
        return Counts(len(series), sum(len(one.instances) for one in series))

    def describe(self, study_instance_uid: str) -> Study | None:
        self._asked()
        return next((s for s in self.studies if s.study_instance_uid == study_instance_uid), None)

    def fetch(
        self, study: str, series: str, instance: str, largest: int = LARGEST_INSTANCE
    ) -> Dataset | None:
        self._asked()
        return next((one for one in self.documents if one.SOPInstanceUID == instance), None)

    def _asked(self) -> None:
        self.queries += 1
        if self.down:
            raise ArchiveUnavailable("the fake archive is down")

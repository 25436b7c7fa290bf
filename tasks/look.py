"""What every look into an archive of a site needs, and what it comes to."""

from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from radflow.connectors.archive import ArchiveClient, open_archive
from radflow.model import Study
from radflow.settings import DicomWebArchive, DimseArchive, Site
from radflow.store.engine import Store
from tasks.noting import Notes


@dataclass
class Searched:
    """What a look has come to."""

    shown: list[str] = field(default_factory=list)
    """Keys of orders that images were shown of, be they complete or not."""
    found: list[str] = field(default_factory=list)
    """Keys of orders whose images are complete by it, or have changed."""
    news: str = ""
    """That the archive fails, or answers again: said once. Free of patient data."""


@dataclass
class Look:
    """A look into one archive, now."""

    store: Store
    site: Site
    archive: DimseArchive | DicomWebArchive
    now: datetime
    notes: Notes
    searched: Searched = field(default_factory=Searched)

    @cached_property
    def client(self) -> ArchiveClient:
        """Asks as the site file says. Raises ConfigError where a secret or a certificate is not there."""
        return open_archive(self.archive, self.site.zone)

    @property
    def today(self) -> date:
        return self.day_of(self.now)

    def day_of(self, moment: datetime) -> date:
        """The day at the site."""
        return moment.astimezone(self.site.zone).date()

    def asked_by(self, way: str) -> ArchiveClient:
        """The same archive, asked in another way than the site file says."""
        return open_archive(self.archive.model_copy(update={"find_by": way}), self.site.zone)

    def note(self, order_key: str, study: Study, *, moved: bool = False) -> None:
        """Note that the archive shows the order's study; see `Notes.shown`."""
        self.searched.shown.append(order_key)
        if self.notes.shown(order_key, study, moved=moved):
            self.searched.found.append(order_key)

    def counted(self, study: Study) -> Study:
        """The study with its counts, asked for where the archive has not told them."""
        if study.number_of_instances is not None:
            return study
        counts = self.client.count(study.study_instance_uid)
        return study.model_copy(
            update={"number_of_series": counts.series, "number_of_instances": counts.instances}
        )

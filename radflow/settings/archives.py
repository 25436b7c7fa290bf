"""The archives of a site."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from radflow.settings.archive_auth import CLOUD_PATHS, ArchiveAuth, NoAuth
from radflow.settings.base import Section
from radflow.settings.routing import RetrieveBy
from radflow.settings.tls import ClientTls


class DimseArchive(Section):
    """An archive that is asked by C-FIND."""

    kind: Literal["dimse"]
    name: str
    host: str
    port: int
    ae_title: str
    calling_ae_title: str = "RADFLOW"
    find_by: Literal["uid-list", "accession-list", "date-range"] = "uid-list"
    """How all that is waited for is asked for at once: `radflow probe` finds out what the archive can do."""
    longest_list: int = Field(default=1000, ge=1)
    """Values in one list; when more are waited for, a range of dates is asked for instead."""
    relational: bool = False
    """Whether all instances of a study are told without a query for each series (PS3.4 §C.4.1.2.2.1)."""
    counts: bool = True
    """Whether its counts of series and instances can be believed; radflow counts by itself where not."""
    tls: ClientTls | None = None
    """Without it the wire is open: for a network that is protected by other means."""
    timeout_seconds: float = 60
    storage_commitment: bool = False
    """Whether it is asked to take responsibility for each order's instances (docs/mpps.md)."""
    commitment_seconds: float = Field(default=5, ge=0)
    """How long its report is waited for; later it comes to the site's DICOM port."""
    retrieve_by: RetrieveBy = "c-get"
    """How studies are moved from it (docs/moving-studies.md)."""
    max_transfers: int = Field(default=2, ge=1)
    """How many studies may be moved there at once, by all movers together."""


class DicomWebArchive(Section):
    """An archive that is asked by QIDO-RS (PS3.18 §10.6)."""

    kind: Literal["dicomweb"]
    name: str
    url: str
    """The DICOMweb root, e.g. `https://archive.example/dicom-web`."""
    find_by: Literal["uid-list", "accession-list", "date-range"] = "date-range"
    """How all that is waited for is asked for at once: `radflow probe` finds out what the archive can do."""
    longest_list: int = Field(default=100, ge=1)
    """Values in one list: a URL of much more than 8,000 characters is refused on the way."""
    paging: bool = True
    """Whether it knows `limit` and `offset`."""
    include_fields: bool = True
    """Whether it knows `includefield`; without it the archive tells what it tells by itself."""
    counts: bool = True
    """Whether its counts of series and instances can be believed; radflow counts by itself where not."""
    auth: ArchiveAuth = NoAuth()
    """`[archives.auth]`: docs/cloud-archives.md."""
    tls: ClientTls | None = None
    """For an https URL, where the system's authorities are not enough."""
    timeout_seconds: float = 60
    max_transfers: int = Field(default=2, ge=1)
    """How many studies may be moved there at once, by all movers together."""

    @model_validator(mode="after")
    def _root_of_its_cloud(self) -> Self:
        pattern, example = CLOUD_PATHS.get(self.auth.kind, ("", ""))
        if not re.match(pattern, self.url):
            raise ValueError(f"with auth of kind {self.auth.kind} the url looks like {example}")
        return self


Archive = Annotated[DimseArchive | DicomWebArchive, Field(discriminator="kind")]

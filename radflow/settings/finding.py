"""How images are looked for at a site, and when a study is taken as complete."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from radflow.settings.base import LOOPBACK, Section, Service
from radflow.settings.tls import ServerTls


class Finding(Section):
    """Looking for images (`[finding]`): docs/archives.md."""

    complete_by: Literal["quiet", "mpps"] = "quiet"
    """What says that a study has all its images: its counts, or the modality's MPPS."""
    quiet_minutes: float = Field(default=0, ge=0)
    """For so long the counts stay the same. With MPPS, what is waited for where none comes; 0: for ever."""
    found_in: Literal["first", "all"] = "first"
    """Whether the archives after the one that has shown a study are asked for the order too."""
    thorough_minutes: float = Field(default=60, gt=0)
    """How often every study of the days in question is looked at, whatever its numbers."""
    look_back_days: int = Field(default=30, ge=1)
    """How old images may be to be found by a range of dates."""
    recheck_days: int = Field(default=7, ge=0)
    """For so long after it was found a study is looked at again."""
    recheck_minutes: float = Field(default=60, gt=0)
    """How often it is."""
    candidates: bool = True
    """Whether studies of the right patient, modality and day are proposed to a person."""
    accession_alone: bool = False
    """Whether a study with the order's accession number is the order's also under a Patient ID that is not
    known to be the patient's, as where the archive has numbers of its own. Else a person is asked."""


class Webhook(Service):
    """Where archives say that a study has come, and FHIR servers that a report has (`[webhook]`)."""

    host: str = LOOPBACK
    port: int = 2581
    path: str = Field(default="/studies", pattern="^/")
    token_file: Path | None = None
    """Whoever has the bearer token in this file may say so."""
    token_variable: str = ""
    """Or the token in this environment variable."""
    max_request_bytes: int = Field(default=1024 * 1024, gt=0)
    tls: ServerTls | None = None
    """`[webhook.tls]`; without it the wire is open: for this machine alone, or a protected network."""

    @model_validator(mode="after")
    def _guarded(self) -> "Webhook":
        if self.token_file and self.token_variable:
            raise ValueError("token_file and token_variable are both given; one is enough")
        if self.host != LOOPBACK and not (self.token_file or self.token_variable):
            raise ValueError(f"without token_file or token_variable it listens on {LOOPBACK} only")
        return self

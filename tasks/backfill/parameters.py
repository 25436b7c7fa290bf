"""What a backfill works on, as it is asked for in the Prefect UI or on the command line."""

from datetime import date
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Parameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Days(Parameters):
    """Days of a site, both ends included: UTC days, on which orders were received."""

    site: str = Field(min_length=1, description="Name of the site.")
    since: date | None = Field(default=None, description="First day. Empty: from the first there is.")
    until: date | None = Field(default=None, description="Last day. Empty: to the last there is.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since and self.until and self.since > self.until:
            raise ValueError("since is after until")
        return self


class RebuildWarehouse(Days):
    """Write the warehouse's days anew from the store."""


class RepublishFhir(Days):
    """Publish orders that have images or a report once more; a server keeps what is unchanged."""

    modality: str = Field(default="", description="Only orders of this modality, as CT.")
    anew: bool = Field(
        default=False, description="Also ask servers that are known to have it, as after a loss of theirs."
    )


class ImportStudies(Parameters):
    """Take what an archive has of past days: orders' studies for their orders, the rest for the warehouse."""

    site: str = Field(min_length=1, description="Name of the site.")
    archive: str = Field(min_length=1, description="Name of the archive in the site file.")
    since: date = Field(description="First Study Date (0008,0020).")
    until: date = Field(description="Last Study Date.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since > self.until:
            raise ValueError("since is after until")
        return self


class Remap(Days):
    """Read the orders' messages again with the site's tables as they are now."""

    modality: str = Field(default="", description="Only orders of this modality, as CT.")
    dry_run: bool = Field(default=True, description="Only show what would become other.")


class Pace(Parameters):
    """How hard it works; a change of it continues the same backfill."""

    concurrency: int = Field(default=2, ge=1, le=64, description="Tasks at once.")
    chunk: int = Field(default=20, ge=1, le=1000, description="Items of one task.")

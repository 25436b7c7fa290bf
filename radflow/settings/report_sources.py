"""Where reports come from beside ORU^R01, and whose word counts."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from radflow.settings.archive_auth import NoAuth, Secret
from radflow.settings.base import Section
from radflow.settings.fhir import FhirAuth
from radflow.settings.tls import ClientTls

Source = Literal["hl7", "fhir", "sr"]


class Results(Section):
    """Reports of several sources (`[results]`): docs/report-sources.md."""

    prefer: tuple[Source, ...] = ("hl7", "fhir")
    """Best first: the report of the first source that has one is published. `sr`: DICOM SR in the archive."""
    for_group: Literal["named", "all"] = "named"
    """Whose a report of a group case is: the order's that it names, or of all that have none of their own."""

    @field_validator("prefer")
    @classmethod
    def _each_once(cls, value: tuple[Source, ...]) -> tuple[Source, ...]:
        if "hl7" not in value:
            raise ValueError('"hl7" is missing: ORU^R01 is always taken, so it needs a place')
        if len(set(value)) < len(value):
            raise ValueError("each source is named once")
        return value


class FhirSource(Section):
    """A FHIR R4 server that has DiagnosticReports (`[[report_sources]]`)."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    url: str = Field(pattern=r"^https?://")
    """The base URL, e.g. `https://fhir.example/r4`."""
    auth: FhirAuth = NoAuth()
    """As of a FHIR destination: docs/fhir.md."""
    tls: ClientTls | None = None
    """For an https URL, where the system's authorities are not enough."""
    timeout_seconds: float = Field(default=30, gt=0)
    """For each request."""
    query: str = Field(default="", pattern=r"^[^?#\s]*$")
    """Which of its DiagnosticReports: more search parameters, as `category=RAD&status=final,amended`."""
    page: int = Field(default=50, ge=1)
    """Reports in one answer (`_count`)."""
    overlap_seconds: float = Field(default=300, ge=0)
    """How far before the newest report that was seen the next question goes back: servers index late."""
    first_days: float = Field(default=1, ge=0)
    """How far back the first question goes."""


class FhirPoll(FhirSource):
    """Asked again and again for what has changed (`_lastUpdated`)."""

    kind: Literal["fhir-poll"]
    every_minutes: float = Field(default=1, ge=0)
    """How often, at most: `poll-reports` looks each minute whose time has come."""


class FhirSubscription(FhirSource):
    """Asked when it says that something has changed (a rest-hook Subscription), and now and then anyway."""

    kind: Literal["fhir-subscription"]
    endpoint: str = Field(pattern=r"^https?://")
    """The URL at which it reaches `/reports/<name>` of the site's `[webhook]`."""
    secret: Secret
    """The bearer token that its notifications bear; they are refused without it."""
    every_minutes: float = Field(default=60, ge=0)
    """How often it is asked without a word from it: a notification may be lost."""
    lasts_days: float | None = Field(default=None, gt=0)
    """When the Subscription ends, unless `radflow reports subscribe` refreshes it; None: never."""


ReportSource = Annotated[FhirPoll | FhirSubscription, Field(discriminator="kind")]

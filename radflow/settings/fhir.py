"""Where a site's FHIR resources go."""

from typing import Annotated, Literal

from pydantic import Field

from radflow.settings.archive_auth import BasicAuth, BearerAuth, NoAuth, OAuth2
from radflow.settings.base import Section
from radflow.settings.smart import SmartBackendServices
from radflow.settings.tls import ClientTls

FhirAuth = Annotated[
    NoAuth | BasicAuth | BearerAuth | OAuth2 | SmartBackendServices, Field(discriminator="kind")
]


class _FhirDestination(Section):
    fhir_version: Literal["R4", "R5"] = "R4"
    order_status: bool = False
    """Whether it is told where orders stand before there is a result: ServiceRequest and Task."""


class NdjsonFhir(_FhirDestination):
    """FHIR resources as NDJSON files: a folder a day, a file an order."""

    kind: Literal["ndjson"]
    name: str = "files"
    path: str = ""
    """Empty: `fhir/<site>` under RADFLOW_HOME."""

    @property
    def writes_patients(self) -> bool:
        """Whether Patients are ours to write there."""
        return True


class HttpFhir(_FhirDestination):
    """A FHIR server that takes transactions."""

    kind: Literal["http"]
    name: str
    url: str = Field(pattern=r"^https?://")
    """The base URL, e.g. `https://fhir.example/r4`."""
    auth: FhirAuth = NoAuth()
    """`[fhir.auth]`: docs/fhir.md."""
    tls: ClientTls | None = None
    """For an https URL, where the system's authorities are not enough."""
    timeout_seconds: float = Field(default=30, gt=0)
    """For each request."""
    max_entries: int | None = Field(default=None, ge=1)
    """Entries that the server takes in one transaction or batch, where it has a limit."""
    patients: Literal["write", "match"] = "write"
    """`match`: Patients come from elsewhere. Ours refer to the one with the order's first identifier."""

    @property
    def writes_patients(self) -> bool:
        """Whether Patients are ours to write there."""
        return self.patients == "write"


FhirDestination = Annotated[NdjsonFhir | HttpFhir, Field(discriminator="kind")]

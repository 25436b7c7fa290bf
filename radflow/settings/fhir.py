"""Where a site's FHIR resources go."""

from typing import Annotated, Literal

from pydantic import Field

from radflow.settings.base import Section


class NdjsonFhir(Section):
    """FHIR resources as NDJSON files: a folder a day, a file an order."""

    kind: Literal["ndjson"]
    name: str = "files"
    path: str = ""
    """Empty: `fhir/<site>` under RADFLOW_HOME."""


class HttpFhir(Section):
    """A FHIR R4 server that takes transactions."""

    kind: Literal["http"]
    name: str
    url: str
    timeout_seconds: float = 30


FhirDestination = Annotated[NdjsonFhir | HttpFhir, Field(discriminator="kind")]

"""Which worklist modalities are to ask: ours, or one that a site keeps already (`[worklist.target]`)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from radflow.settings.archive_auth import BasicAuth, BearerAuth, NoAuth, OAuth2
from radflow.settings.base import Section
from radflow.settings.tls import ClientTls

ServiceAuth = Annotated[NoAuth | BasicAuth | BearerAuth | OAuth2, Field(discriminator="kind")]


class OwnWorklist(Section):
    """radflow's own, on the site's DICOM port."""

    kind: Literal["own"] = "own"


class Hl7Worklist(Section):
    """One that is told of orders over HL7, as any destination that takes them."""

    kind: Literal["hl7"]
    destination: str = Field(min_length=1)
    """The name of a destination that takes `orders`."""


class Dcm4cheeWorklist(Section):
    """That of a dcm4chee-arc-light archive, by its MWL-RS."""

    kind: Literal["dcm4chee"]
    url: str = Field(pattern=r"^https?://.+/aets/[^/]+/rs/?$")
    """With the AE title: `https://archive.example/dcm4chee-arc/aets/DCM4CHEE/rs`."""
    auth: ServiceAuth = NoAuth()
    """`[worklist.target.auth]`; a secured archive takes tokens of its Keycloak."""
    tls: ClientTls | None = None
    """For an https URL, where the system's authorities are not enough."""
    timeout_seconds: float = Field(default=30, gt=0)


class WlFiles(Section):
    """A folder of `.wl` files, as dcmtk's wlmscpfs and Orthanc's worklist plug-in read it."""

    kind: Literal["wl-files"]
    folder: Path
    """For wlmscpfs that of the AE title which is called; it has to be there already."""


OtherWorklist = Hl7Worklist | Dcm4cheeWorklist | WlFiles
WorklistTarget = Annotated[OwnWorklist | OtherWorklist, Field(discriminator="kind")]

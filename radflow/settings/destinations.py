"""Who takes what goes out of a site over HL7."""

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from mappings.hl7.results import ResultsAs
from radflow.settings.base import Section
from radflow.settings.tls import ClientTls

OrderStructure = Literal["ORM^O01", "OMG^O19", "OMI^O23"]
Version = Literal["2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8"]

_VERSIONS: dict[str, tuple[str, str]] = {
    "ORM^O01": ("2.3.1", "2.6"),
    "OMG^O19": ("2.4", "2.8"),
    "OMI^O23": ("2.5", "2.8"),
}
"""The first and the last version of HL7 that have the message."""


class Receiver(Section):
    """What all receivers of HL7 have in common."""

    name: str = Field(min_length=1)
    takes: frozenset[Literal["results", "orders", "status"]] = frozenset()
    """What radflow itself sends there; a site's routes may send more."""
    orders_as: OrderStructure = "ORM^O01"
    """The message that orders and their status are sent in."""
    version: Version = "2.5.1"
    """HL7 version of orders and their status."""
    results_as: ResultsAs = ResultsAs()
    """`[destinations.results_as]`: the ORU^R01 that results are sent in."""
    receiving_application: str = ""
    receiving_facility: str = ""
    """MSH-5 and MSH-6 of what radflow itself sends there."""
    timeout_seconds: float = Field(default=30, gt=0)
    """How long an answer may take."""
    retry_seconds: float = Field(default=1, gt=0)
    """First pause after the receiver could not be reached; doubles up to `retry_max_seconds`."""
    retry_max_seconds: float = Field(default=60, gt=0)

    @model_validator(mode="after")
    def _version_has_the_message(self) -> Self:
        first, last = _VERSIONS[self.orders_as]
        if not first <= self.version <= last:
            raise ValueError(
                f"HL7 {self.version} has no {self.orders_as}; choose a version from {first} to {last}, "
                "or another orders_as"
            )
        return self


class MllpReceiver(Receiver):
    """A receiver over MLLP."""

    kind: Literal["mllp"]
    host: str
    port: int = Field(ge=1, le=65535)
    tls: ClientTls | None = None
    """`[destinations.tls]`; without it the wire is open."""


class HttpReceiver(Receiver):
    """A receiver of HL7 over HTTP (`application/hl7-v2`)."""

    kind: Literal["http"]
    url: str = Field(pattern=r"^https?://")
    tls: ClientTls | None = None
    """For an https URL, where the system's authorities are not enough."""
    user: str = ""
    password: SecretStr = SecretStr("")
    """For HTTP Basic authentication."""
    token: SecretStr = SecretStr("")
    """For bearer authentication."""


Destination = Annotated[MllpReceiver | HttpReceiver, Field(discriminator="kind")]

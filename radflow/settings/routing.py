"""Which images move by themselves: studies from archive to archive, and priors before an examination."""

from typing import Any, Literal

from pydantic import Field, model_validator

from radflow.settings.base import AeTitle, Section, Service


class MoveReceiver(Service):
    """Our own storage SCP (`[routing.receiver]`): where an archive that knows no C-GET sends by C-MOVE."""

    port: int = 11114
    ae_title: AeTitle = "RADFLOW"
    """As the archive knows us: it has to know our address under this title."""


class Routing(Section):
    """How studies are moved (`[routing]`)."""

    receiver: MoveReceiver | None = None
    batch_instances: int = Field(default=16, ge=1)
    """So many instances are fetched, sent and noted together; no more of a study is kept at once."""
    batch_bytes: int = Field(default=64 * 1024 * 1024, ge=1)
    """A STOW-RS request holds no more bytes than this, unless one instance is larger."""
    lease_seconds: float = Field(default=120, gt=0)
    """A move that has noted nothing for so long is taken over by another mover."""
    retry_seconds: float = Field(default=30, gt=0)
    """First pause after an archive could not be reached; doubles up to `retry_max_seconds`."""
    retry_max_seconds: float = Field(default=3600, gt=0)
    max_attempts: int = Field(default=8, ge=1)
    """So often a study is tried before a person is asked."""


class _FromTo(Section):
    source: str = Field(alias="from")
    target: str = Field(alias="to")

    @model_validator(mode="before")
    @classmethod
    def _two_archives(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("from") == values.get("to"):
            raise ValueError("from and to are the same archive")
        return values


class ImageRoute(_FromTo):
    """Studies of orders that are copied as soon as they are found (`[[image_routes]]`)."""

    modalities: tuple[str, ...] = ()
    """Only studies with one of these (0008,0061); without any, all."""


class Prefetch(_FromTo):
    """Earlier studies of the patient that are copied when an order is scheduled (`[[prefetch]]`)."""

    modalities: tuple[str, ...] = ()
    """Of the order; without any, all."""
    procedures: tuple[str, ...] = ()
    """Patterns (`CT*`) of the order's procedure code; without any, all."""
    prior_modalities: tuple[str, ...] = ()
    """Of the earlier study; without any, that of the order."""
    body_parts: tuple[str, ...] = ()
    """Body Part Examined (0018,0015) of one of the earlier study's series; without any, all."""
    years: float = Field(default=5, gt=0)
    """How old an earlier study may be."""
    max: int = Field(default=3, ge=1)
    """The newest of them, no more than this."""


RetrieveBy = Literal["c-get", "c-move", "c-move-direct"]
"""How a DIMSE archive hands out studies: as it is asked, to our receiver, or straight to the target."""

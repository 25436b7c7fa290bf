"""Where a site's own services listen."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from radflow.settings.base import LOOPBACK, AeTitle, Section, Service
from radflow.settings.tls import ServerTls
from radflow.settings.worklist_target import OwnWorklist, WorklistTarget


class Hl7Service(Service):
    """What the two ways in for HL7 have in common."""

    max_message_bytes: int = Field(default=16 * 1024 * 1024, gt=0)
    max_connections: int = Field(default=1000, gt=0)
    max_connections_per_peer: int = Field(default=200, gt=0)
    """From one address. An interface engine that sends for many needs more than a modality."""
    tls: ServerTls | None = None
    """Without it the wire is open: for a network that is protected by other means."""


class Listener(Hl7Service):
    """The MLLP listener of a site."""

    host: str = LOOPBACK
    port: int = 2575
    idle_seconds: float = Field(default=3600, gt=0)
    """A connection that sends nothing for so long is closed."""
    frame_seconds: float = Field(default=120, gt=0)
    """A message that has begun has to end within this time."""
    answer_seconds: float = Field(default=30, gt=0)
    """A sender that takes no answers for so long is cut off."""
    reused_control_id: Literal["quarantine", "accept"] = "quarantine"
    """What becomes of a message whose MSH-10 its sender has used for another one, over MLLP or HTTP."""
    control_id_window_hours: float = Field(default=12, ge=0)
    """How long an MSH-10 belongs to one message; 0: for ever. Many counters start anew each day."""

    def unique_since(self, now: datetime) -> datetime | None:
        """From when on a sender's control IDs have to be unique; None where they need not be."""
        if self.reused_control_id == "accept":
            return None
        if not self.control_id_window_hours:
            return datetime.min.replace(tzinfo=UTC)
        return now - timedelta(hours=self.control_id_window_hours)


class HttpListener(Hl7Service):
    """HL7 over HTTP or HTTPS (`[http]`): the listener's other door."""

    host: str = LOOPBACK
    port: int = 2580
    path: str = Field(default="/hl7", pattern="^/")
    request_seconds: float = Field(default=60, gt=0)
    """A request that has begun has to end within this time; so long a connection may be idle."""
    user: str = ""
    """Who may send, by HTTP Basic authentication with the password in `password_file`."""
    password_file: Path | None = None
    token_file: Path | None = None
    """Whoever has the bearer token in this file may send."""

    @model_validator(mode="after")
    def _user_with_password(self) -> "HttpListener":
        if bool(self.user) != bool(self.password_file):
            raise ValueError("user and password_file are given both or not at all")
        return self


class Modality(Section):
    """A modality that asks the worklist (`[[worklist.modalities]]`)."""

    ae_title: AeTitle
    """The calling AE title it comes with."""
    station_aets: tuple[AeTitle, ...] = ()
    """The Scheduled Station AE Titles (0040,0001) that are its own; without any, its calling AE title."""
    modalities: tuple[str, ...] = ()
    """Modalities (0008,0060) it acquires: what is scheduled for no station is scheduled for those that do."""
    sees: Literal["own", "all"] = "own"
    """Whether it is shown the steps of its own stations, or of all."""

    @property
    def stations(self) -> tuple[str, ...]:
        return self.station_aets or (self.ae_title,)


class Worklist(Service):
    """The DICOM service of a site: its modality worklist, and what modalities say of performed steps."""

    host: str = LOOPBACK
    port: int = 11112
    ae_title: AeTitle = "RADFLOW"
    max_associations: int = Field(default=100, gt=0)
    """At once. Beside them as many connections may be about to ask for one."""
    modalities: tuple[Modality, ...] = ()
    known_modalities_only: bool = False
    """Whether a calling AE title that is not among the modalities is refused."""
    own_ae_title_only: bool = False
    """Whether who calls another AE title than ours is refused."""
    association_seconds: float = Field(default=5, gt=0)
    """From the connection to the association request, a TLS handshake included."""
    idle_seconds: float = Field(default=60, gt=0)
    """An association that says nothing for so long is aborted, and so is one that takes no answers."""
    max_message_bytes: int = Field(default=4 * 1024 * 1024, gt=0)
    """An association that sends a longer query, or other message, is aborted."""
    tls: ServerTls | None = None
    """Without it the wire is open: for a network that is protected by other means."""
    leaves_when: Literal["started", "completed", "images"] = "completed"
    """When a scheduled step leaves the worklist: at the latest when its images are found (docs/mpps.md)."""
    target: WorklistTarget = OwnWorklist()
    """`[worklist.target]`: the worklist that modalities ask, where it is not ours."""
    performed_steps_need: Literal["all", "status"] = "all"
    """What an MPPS must have: all that PS3.4 table F.7.2-1 requires, or a status only."""

    @field_validator("modalities")
    @classmethod
    def _each_title_once(cls, value: tuple[Modality, ...]) -> tuple[Modality, ...]:
        titles = [modality.ae_title for modality in value]
        if twice := sorted({title for title in titles if titles.count(title) > 1}):
            raise ValueError(f"two modalities are named {', '.join(twice)}; each AE title is given once")
        return value

    @model_validator(mode="after")
    def _someone_is_known(self) -> "Worklist":
        if self.known_modalities_only and not self.modalities:
            raise ValueError("known_modalities_only needs [[worklist.modalities]]: nobody would be let in")
        return self

    @property
    def gone(self) -> frozenset[str]:
        """The Scheduled Procedure Step Statuses (0040,0020) that are no longer shown."""
        return {
            "started": frozenset({"STARTED", "COMPLETED"}),
            "completed": frozenset({"COMPLETED"}),
            "images": frozenset[str](),
        }[self.leaves_when]

    def modality(self, calling_ae_title: str) -> Modality | None:
        """The modality that comes with this AE title, where the site has named it."""
        return next((one for one in self.modalities if one.ae_title == calling_ae_title), None)

    def stations(self, modality: str) -> tuple[str, ...]:
        """The stations that acquire this modality."""
        return tuple(title for one in self.modalities if modality in one.modalities for title in one.stations)

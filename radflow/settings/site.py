"""One site, as `deployments/sites/<name>.toml` describes it."""

from collections.abc import Sequence
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr, field_validator, model_validator

from mappings.tables import PACKAGED, Tables
from radflow.settings.archives import Archive, DicomWebArchive, DimseArchive
from radflow.settings.base import ConfigError, Section
from radflow.settings.destinations import Destination, HttpReceiver, MllpReceiver
from radflow.settings.fhir import FhirDestination, NdjsonFhir
from radflow.settings.finding import Finding, Webhook
from radflow.settings.orders import Orders
from radflow.settings.overdue import Notify, OverdueLimit
from radflow.settings.report_sources import FhirPoll, FhirSubscription, ReportSource, Results
from radflow.settings.retention import Retention
from radflow.settings.routing import ImageRoute, Prefetch, Routing
from radflow.settings.rules import CodeTable, Enrichment, Filter, PatientIdentifiers, Route, SiteTask
from radflow.settings.services import HttpListener, Listener, Worklist
from radflow.settings.warehouse import TurnaroundLimit, Warehouse, limit_seconds

_Named = TypeVar(
    "_Named", DimseArchive | DicomWebArchive, FhirPoll | FhirSubscription, MllpReceiver | HttpReceiver
)


class Site(Section):
    """One site: `deployments/sites/<name>.toml`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9]{0,15}$")
    time_zone: str = "UTC"
    """IANA name; HL7 and DICOM local times of the site are in it."""
    application: str = "RADFLOW"
    facility: str = ""
    """MSH-3 and MSH-4 of what radflow sends."""
    uid_root: str = "2.25"
    """Root of the Study Instance UIDs made for orders without one. `2.25` needs no registration."""
    identifier_system: str = ""
    """Base URI of FHIR identifier systems whose assigner is neither OID nor URI; else the site's own."""
    listener: Listener = Listener()
    http: HttpListener | None = None
    """HL7 over HTTP, where the site wants it."""
    worklist: Worklist = Worklist()
    orders: Orders = Orders()
    """What becomes of late cancellations."""
    archives: tuple[Archive, ...] = ()
    """In the order in which they are asked."""
    finding: Finding = Finding()
    """When and how images are looked for in them."""
    webhook: Webhook | None = None
    """Where archives may say that a study has come."""
    routing: Routing = Routing()
    """How studies are moved."""
    image_routes: tuple[ImageRoute, ...] = ()
    """Which studies are copied to another archive when they are found."""
    prefetch: tuple[Prefetch, ...] = ()
    """Which earlier studies are copied when an order is scheduled."""
    fhir: tuple[FhirDestination, ...] = (NdjsonFhir(kind="ndjson"),)
    destinations: tuple[Destination, ...] = ()
    report_sources: tuple[ReportSource, ...] = ()
    """Who has reports beside those that come over HL7."""
    results: Results = Results()
    """Whose report counts."""
    warehouse: Warehouse = Warehouse()
    turnaround: tuple[TurnaroundLimit, ...] = ()
    """How long a stage may take, for the turnaround report."""
    overdue: tuple[OverdueLimit, ...] = ()
    """How long an order may wait before a person is told, and before it is closed."""
    notify: Notify | None = None
    """Who is told."""
    retention: Retention = Retention()
    """After how many days messages are removed."""
    filters: tuple[Filter, ...] = ()
    """Which messages are not wanted."""
    routes: tuple[Route, ...] = ()
    """To which destinations messages are passed on as they came."""
    patient_identifiers: PatientIdentifiers = PatientIdentifiers()
    tables: tuple[CodeTable, ...] = ()
    """Codes that are translated before a message is read."""
    enrichment: Enrichment = Enrichment()
    tasks: tuple[SiteTask, ...] = ()
    """Python functions of the site's own, as steps of an order's life."""
    _code_tables: Tables = PrivateAttr(PACKAGED)

    @model_validator(mode="before")
    @classmethod
    def _systems_of_its_own(cls, its: dict[str, Any]) -> dict[str, Any]:
        return {"identifier_system": f"urn:radflow:{its.get('name')}", **its}

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value!r} is not an IANA time zone such as Europe/Berlin") from None
        return value

    @field_validator("destinations")
    @classmethod
    def _each_name_once(cls, value: tuple[Destination, ...]) -> tuple[Destination, ...]:
        names = [destination.name for destination in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two destinations are named {', '.join(twice)}; each needs a name of its own")
        return value

    @property
    def code_tables(self) -> Tables:
        """radflow's own code tables, with what the site's folder of tables says otherwise."""
        return self._code_tables

    def with_code_tables(self, tables: Tables) -> "Site":
        """The site with these."""
        copy = self.model_copy()
        copy._code_tables = tables
        return copy

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def limit_seconds(self, stage: str, modality: str, priority: str) -> float | None:
        """How long this stage of such an order may take; None where the site sets no limit."""
        return limit_seconds(self.turnaround, stage, modality, priority)

    def archive(self, name: str) -> DimseArchive | DicomWebArchive:
        """The archive of this name.

        Raises:
            ConfigError: the site has none.
        """
        return self._named("archive", self.archives, name)

    def report_source(self, name: str) -> FhirPoll | FhirSubscription:
        """The source of reports of this name.

        Raises:
            ConfigError: the site has none.
        """
        return self._named("report source", self.report_sources, name)

    def destination(self, name: str) -> MllpReceiver | HttpReceiver:
        """The destination of this name.

        Raises:
            ConfigError: the site has none.
        """
        return self._named("destination", self.destinations, name)

    def _named(self, what: str, its: Sequence[_Named], name: str) -> _Named:
        for one in its:
            if one.name == name:
                return one
        has = [one.name for one in its]
        raise ConfigError(f"Site {self.name!r} has no {what} {name!r}; it has {has}.")

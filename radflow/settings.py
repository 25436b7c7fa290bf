"""Typed settings: the one place that reads the environment and the site files.

`RADFLOW_*` variables (or `.env`) say where things are; `deployments/sites/<site>.toml` says what a site
has. An error names the file, the key and what is wrong with it.
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LOOPBACK = "127.0.0.1"


class ConfigError(ValueError):
    """A site file or an environment variable is wrong; the text names the file, the key and the mend."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Listener(Section):
    """The MLLP listener of a site."""

    host: str = LOOPBACK
    port: int = 2575
    max_message_bytes: int = 16 * 1024 * 1024
    idle_seconds: float = 3600
    """A connection that sends nothing for so long is closed."""
    max_connections: int = 1000


class Worklist(Section):
    """The modality worklist SCP of a site."""

    host: str = LOOPBACK
    port: int = 11112
    ae_title: str = "RADFLOW"
    max_associations: int = 100


class DimseArchive(Section):
    """An archive that is asked by C-FIND."""

    kind: Literal["dimse"]
    name: str
    host: str
    port: int
    ae_title: str
    calling_ae_title: str = "RADFLOW"
    find_by: Literal["uid-list", "accession-list", "date-range"] = "uid-list"
    timeout_seconds: float = 60


class DicomWebArchive(Section):
    """An archive that is asked by QIDO-RS (PS3.18 §10.6)."""

    kind: Literal["dicomweb"]
    name: str
    url: str
    """The DICOMweb root, e.g. `https://archive.example/dicom-web`."""
    find_by: Literal["uid-list", "date-range"] = "date-range"
    timeout_seconds: float = 60


Archive = Annotated[DimseArchive | DicomWebArchive, Field(discriminator="kind")]


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


class Ehr(Section):
    """Who takes results as ORU^R01 over MLLP."""

    name: str = "ehr"
    host: str
    port: int
    receiving_application: str = "EHR"
    receiving_facility: str = ""
    timeout_seconds: float = 30


class Warehouse(Section):
    """Where parquet rows go: a local path or any URL that fsspec knows (`s3://bucket/prefix`)."""

    url: str = ""
    """Empty: `warehouse` under RADFLOW_HOME."""


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
    identifier_system: str = "urn:radflow"
    """Base URI of FHIR identifier systems whose assigner is not an OID or a URI."""
    listener: Listener = Listener()
    worklist: Worklist = Worklist()
    archives: tuple[Archive, ...] = ()
    fhir: tuple[FhirDestination, ...] = (NdjsonFhir(kind="ndjson"),)
    ehr: Ehr | None = None
    warehouse: Warehouse = Warehouse()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value!r} is not an IANA time zone such as Europe/Berlin") from None
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def archive(self, name: str) -> DimseArchive | DicomWebArchive:
        """The archive of this name.

        Raises:
            ConfigError: the site has none.
        """
        for archive in self.archives:
            if archive.name == name:
                return archive
        raise ConfigError(
            f"Site {self.name!r} has no archive {name!r}; it has {[a.name for a in self.archives]}."
        )


class Settings(BaseSettings):
    """What `RADFLOW_*` environment variables say."""

    model_config = SettingsConfigDict(env_prefix="RADFLOW_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Path(".radflow")
    """Folder of the embedded defaults: database, files, Prefect's own data."""
    database_url: str = ""
    """SQLAlchemy URL, e.g. `postgresql+psycopg://user@host/radflow`. Empty: SQLite under `home`."""
    sites_dir: Path = Path(__file__).parent.parent / "deployments" / "sites"
    leg_lease_seconds: float = 60
    """A leg of an order that has not renewed its lease for so long is lost, and is run again."""
    retry_seconds: float = 5
    """First pause after a step has failed; doubles up to `retry_max_seconds`."""
    retry_max_seconds: float = 900
    log_level: str = "INFO"
    log_json: bool = False

    @property
    def store_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home.resolve() / 'radflow.db'}"

    @property
    def sites(self) -> dict[str, Site]:
        return _read_sites(self.sites_dir)

    def site(self, name: str) -> Site:
        """The site of this name.

        Raises:
            ConfigError: there is no such site file.
        """
        try:
            return self.sites[name]
        except KeyError:
            raise ConfigError(
                f"No site {name!r}: {self.sites_dir} has {', '.join(self.sites) or 'no *.toml'}."
            ) from None

    def fhir_path(self, site: Site) -> Path:
        """Where a site's NDJSON files go unless its destination says otherwise."""
        return self.home.resolve() / "fhir" / site.name

    def warehouse_url(self, site: Site) -> str:
        return site.warehouse.url or str(self.home.resolve() / "warehouse")


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()


@cache
def _read_sites(folder: Path) -> dict[str, Site]:
    return {site.name: site for site in map(read_site, sorted(folder.glob("*.toml")))}


def read_site(file: Path) -> Site:
    """Read one site file.

    Raises:
        ConfigError: it is not TOML, or a key is missing, unknown or has a wrong value.
    """
    try:
        content = tomllib.loads(file.read_text())
        return Site.model_validate({"name": file.stem} | content)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        raise ConfigError(f"{file}: {problems}") from None

"""Typed settings: the one place that reads the environment and the site files.

`RADFLOW_*` variables (or `.env`) say where things are; `deployments/sites/<site>.toml` says what a site
has. An error names the file, the line, the key and what is wrong with it.
"""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict

from radflow.settings.archives import Archive, DicomWebArchive, DimseArchive
from radflow.settings.base import LOOPBACK, ConfigError
from radflow.settings.destinations import Destination, HttpReceiver, MllpReceiver
from radflow.settings.fhir import FhirDestination, HttpFhir, NdjsonFhir
from radflow.settings.reading import read_site, read_sites
from radflow.settings.retention import Retention
from radflow.settings.services import HttpListener, Listener, Worklist
from radflow.settings.site import Site
from radflow.settings.warehouse import Warehouse

__all__ = [
    "LOOPBACK",
    "Archive",
    "ConfigError",
    "Destination",
    "DicomWebArchive",
    "DimseArchive",
    "FhirDestination",
    "HttpFhir",
    "HttpListener",
    "HttpReceiver",
    "Listener",
    "MllpReceiver",
    "NdjsonFhir",
    "Retention",
    "Settings",
    "Site",
    "Warehouse",
    "Worklist",
    "read_site",
    "settings",
]


class Settings(BaseSettings):
    """What `RADFLOW_*` environment variables say."""

    model_config = SettingsConfigDict(env_prefix="RADFLOW_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Path(".radflow")
    """Folder of the embedded defaults: database, files, Prefect's own data."""
    database_url: str = ""
    """SQLAlchemy URL, e.g. `postgresql+psycopg://user@host/radflow`. Empty: SQLite under `home`."""
    sites_dir: Path = Path(__file__).parents[2] / "deployments" / "sites"
    leg_lease_seconds: float = 60
    """A leg of an order that has not renewed its lease for so long is lost, and is run again."""
    retry_seconds: float = 5
    """First pause after a step has failed; doubles up to `retry_max_seconds`."""
    retry_max_seconds: float = 900
    task_runner: Literal["threads", "dask"] = "threads"
    """What backfills run on: threads of the run's own process, or a Dask cluster."""
    dask_address: str = ""
    """A Dask scheduler, as `tcp://host:8786`. Empty: a cluster on this machine, while the run takes."""
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
    return read_sites(folder)

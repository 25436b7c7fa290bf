"""One site, as `deployments/sites/<name>.toml` describes it."""

import tomllib
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator

from radflow.settings.archives import Archive, DicomWebArchive, DimseArchive
from radflow.settings.base import ConfigError, Section
from radflow.settings.destinations import Ehr, Warehouse
from radflow.settings.fhir import FhirDestination, NdjsonFhir
from radflow.settings.services import Listener, Worklist


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

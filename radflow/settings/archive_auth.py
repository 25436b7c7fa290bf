"""How radflow shows an archive on the web who it is (`[archives.auth]`). Secrets are named, never written."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from radflow.settings.base import ConfigError, Section


class Secret(Section):
    """A secret that is kept elsewhere: `{ env = "NAME" }` or `{ file = "/run/secrets/name" }`."""

    env: str = ""
    """Name of the environment variable that holds it."""
    file: Path | None = None
    """The file that holds it; white space around it is not part of it."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.env) == (self.file is not None):
            raise ValueError("a secret is named by env or by file: one of them")
        return self

    def read(self) -> str:
        """The secret.

        Raises:
            ConfigError: it is not there, or empty.
        """
        try:
            found = self.file.read_text().strip() if self.file else os.environ.get(self.env, "")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"The secret's file {self.file} cannot be read: {type(error).__name__}."
            ) from None
        if not found:
            where = (
                f"file {self.file} is empty" if self.file else f"environment variable {self.env} is not set"
            )
            raise ConfigError(f"The secret's {where}.")
        return found


class NoAuth(Section):
    """Nothing is asked for."""

    kind: Literal["none"] = "none"


class BasicAuth(Section):
    """HTTP Basic authentication (RFC 7617)."""

    kind: Literal["basic"]
    user: str = Field(min_length=1)
    password: Secret


class BearerAuth(Section):
    """A bearer token (RFC 6750) that somebody else keeps fresh: it is read anew when it is refused."""

    kind: Literal["bearer"]
    token: Secret


class OAuth2(Section):
    """OAuth 2.0 client credentials (RFC 6749 §4.4)."""

    kind: Literal["oauth2"]
    token_url: str = Field(pattern=r"^https?://")
    client_id: str = Field(min_length=1)
    client_secret: Secret
    scope: str = ""
    audience: str = ""
    """For authorisation servers that want one."""
    client_auth: Literal["header", "form"] = "header"
    """Where the secret goes: HTTP Basic authentication, or the form (RFC 6749 §2.3.1)."""


class GoogleAuth(Section):
    """Google Cloud Healthcare: a service account, by google-auth."""

    kind: Literal["google"]
    key_file: Path
    """The service account's JSON key."""
    scope: str = "https://www.googleapis.com/auth/cloud-healthcare"


class AzureAuth(Section):
    """Azure DICOM service: an app registration's client credentials, by azure-identity."""

    kind: Literal["azure"]
    tenant_id: str = Field(min_length=1)
    client_id: str = Field(min_length=1)
    client_secret: Secret
    scope: str = "https://dicom.healthcareapis.azure.com/.default"
    authority: str = Field("login.microsoftonline.com", min_length=1)
    """Host of Microsoft Entra; sovereign clouds have their own."""


class AwsAuth(Section):
    """AWS HealthImaging: Signature Version 4, by botocore."""

    kind: Literal["aws"]
    region: str = Field(min_length=1)
    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    """Without any of them: botocore's own way to find them (profile, role of the machine)."""
    service: str = "medical-imaging"

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key are given both or not at all")
        if self.session_token and not self.access_key_id:
            raise ValueError("a session_token belongs to an access_key_id and a secret_access_key")
        return self


ArchiveAuth = Annotated[
    NoAuth | BasicAuth | BearerAuth | OAuth2 | GoogleAuth | AzureAuth | AwsAuth, Field(discriminator="kind")
]

CLOUD_PATHS: dict[str, tuple[str, str]] = {
    "google": (
        r"^https?://[^/]+/v1(beta1)?/projects/[^/]+/locations/[^/]+/datasets/[^/]+/dicomStores/[^/]+/dicomWeb/?$",
        "https://healthcare.googleapis.com/v1/projects/P/locations/L/datasets/D/dicomStores/S/dicomWeb",
    ),
    "azure": (
        r"^https?://[^/]+/v[12]/?$",
        "https://WORKSPACE-SERVICE.dicom.azurehealthcareapis.com/v2",
    ),
    "aws": (
        r"^https?://[^/]+/datastore/[0-9a-z]{32}/?$",
        "https://dicom-medical-imaging.REGION.amazonaws.com/datastore/DATASTORE-ID",
    ),
}
"""Kind of authentication → what the DICOMweb root of that cloud looks like, as pattern and in words."""

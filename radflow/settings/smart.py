"""SMART Backend Services: how radflow shows a FHIR server who it is by a key of its own."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from radflow.settings.base import Section


class SmartBackendServices(Section):
    """SMART App Launch 2, "Backend Services": a client that signs a JWT with its private key."""

    kind: Literal["smart"]
    client_id: str = Field(min_length=1)
    """As the server has registered it, with the public key."""
    key: Path
    """Our private key: PEM, without a passphrase. RSA for RS384, EC P-384 for ES384."""
    key_id: str = Field(min_length=1)
    """`kid` of the public key in the JWK Set that the server knows."""
    algorithm: Literal["RS384", "ES384"] = "RS384"
    scope: str = "system/*.cruds"
    """SMART 1 servers have `system/*.read system/*.write` instead."""
    token_url: str = Field(default="", pattern=r"^(https?://.*)?$")
    """Empty: what the server's `.well-known/smart-configuration` says."""

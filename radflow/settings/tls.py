"""TLS, as a section of whatever listens or connects. Files are PEM; TLS 1.2 and newer only (BCP 195)."""

from pathlib import Path

from pydantic import model_validator

from radflow.settings.base import Section


class ServerTls(Section):
    """TLS of a service of ours."""

    certificate: Path
    """Our certificate, and the intermediate ones behind it."""
    key: Path
    """Its private key, without a passphrase."""
    client_ca: Path | None = None
    """Whose certificates clients have to show; without it none is asked for."""


class ClientTls(Section):
    """TLS to a receiver. `[….tls]` with nothing in it is enough where a public authority vouches for it."""

    ca: Path | None = None
    """Who vouches for the receiver; without it the authorities that the system trusts."""
    certificate: Path | None = None
    """Our certificate, where the receiver asks for one."""
    key: Path | None = None
    """Its private key, without a passphrase."""
    server_name: str = ""
    """The name in the receiver's certificate, where it is not the `host` that is connected to."""

    @model_validator(mode="after")
    def _both_or_none(self) -> "ClientTls":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key are given both or not at all")
        return self

"""Certificates made at test time: an authority, ourselves, a client, and a stranger that nobody trusts."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

from radflow.settings import LOOPBACK
from radflow.settings.tls import ClientTls, ServerTls


@dataclass(frozen=True)
class Certificates:
    """Files in a folder."""

    folder: Path
    authority: trustme.CA
    stranger: trustme.CA

    @classmethod
    def made_in(cls, folder: Path) -> "Certificates":
        made = cls(folder, trustme.CA(), trustme.CA())
        made.authority.cert_pem.write_to_path(folder / "ca.pem")
        for name, issuer, whose in (
            ("server", made.authority, LOOPBACK),
            ("named", made.authority, "receiver.hospital.example"),
            ("client", made.authority, "ehr"),
            ("stranger", made.stranger, "ehr"),
        ):
            issued = issuer.issue_cert(whose)
            issued.private_key_pem.write_to_path(folder / f"{name}.key")
            for blob in issued.cert_chain_pems:
                blob.write_to_path(folder / f"{name}.pem", append=True)
        return made

    def server(self, name: str = "server", *, client_certificates: bool = False) -> ServerTls:
        certificate, key = self._pair(name)
        ca = self.folder / "ca.pem" if client_certificates else None
        return ServerTls(certificate=certificate, key=key, client_ca=ca)

    def client(self, name: str = "", *, server_name: str = "") -> ClientTls:
        certificate, key = self._pair(name) if name else (None, None)
        return ClientTls(ca=self.folder / "ca.pem", certificate=certificate, key=key, server_name=server_name)

    def client_context(self) -> ssl.SSLContext:
        """As a peer would make it."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert(LOOPBACK).configure_cert(context)
        return context

    def _pair(self, name: str) -> tuple[Path, Path]:
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

"""TLS contexts of clients and servers. BCP 195 (RFC 9325): TLS 1.2 or newer, and names are checked."""

import ssl
from functools import lru_cache
from pathlib import Path

from radflow.settings.base import ConfigError
from radflow.settings.tls import ClientTls, ServerTls


def client_context(tls: ClientTls | None) -> ssl.SSLContext | None:
    """What a client connects with; None for plain TCP.

    Raises:
        ConfigError: a file is not there, is no PEM, or the key is not the certificate's.
    """
    if tls is None:
        return None
    context = ssl.create_default_context()
    if tls.ca:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _trust(context, tls.ca)
    if tls.certificate and tls.key:
        _identify(context, tls.certificate, tls.key)
    return _modern(context)


def https_context(tls: ClientTls | None = None) -> ssl.SSLContext:
    """What an HTTPS client connects with; without settings it trusts the authorities that the system trusts.

    httpx and requests would bring authorities of their own, which do not know a hospital's. Files are read
    again when they have changed: it takes 0.1 s. Raises as `client_context`.
    """
    tls = tls or ClientTls()
    files = [file for file in (tls.ca, tls.certificate, tls.key) if file and file.exists()]
    return _read_context(tls, tuple(file.stat().st_mtime_ns for file in files))


@lru_cache(maxsize=32)
def _read_context(tls: ClientTls, _stamps: tuple[int, ...]) -> ssl.SSLContext:
    context = client_context(tls)
    assert context is not None
    return context


def sni(tls: ClientTls | None) -> dict[str, str]:
    """The `extensions` of an httpx request where a certificate has another name than the URL's host.

    TLS names the server that is asked by SNI (RFC 6066 §3), and its certificate is checked for that name.
    """
    return {"sni_hostname": tls.server_name} if tls and tls.server_name else {}


def server_context(tls: ServerTls | None) -> ssl.SSLContext | None:
    """What a server accepts connections with; None for plain TCP. Raises as `client_context`."""
    if tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _identify(context, tls.certificate, tls.key)
    if tls.client_ca:
        _trust(context, tls.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return _modern(context)


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # RFC 9325 §3.3, §3.4: no compression and no renegotiation.
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _identify(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        # The password is for a key that is encrypted: OpenSSL would ask on the terminal otherwise.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"TLS certificate {certificate} with key {key}: {_reason(error)}. Both are PEM files, the key "
            "has no passphrase and belongs to the certificate."
        ) from None


def _trust(context: ssl.SSLContext, authorities: Path) -> None:
    try:
        context.load_verify_locations(authorities)
    except OSError as error:
        raise ConfigError(
            f"TLS authorities {authorities}: {_reason(error)}. It is a PEM file with their certificates."
        ) from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)

"""TLS of requests, by a context of ours: whom a site trusts, who we are, and another name than the URL's."""

from typing import Any

from requests.adapters import HTTPAdapter

from radflow.connectors.tls import https_context
from radflow.settings.tls import ClientTls


class TlsAdapter(HTTPAdapter):
    """For the https URLs of a session."""

    def __init__(self, tls: ClientTls) -> None:
        """Raises ConfigError where a file cannot be used."""
        self._context = https_context(tls)
        self._server_name = tls.server_name or None
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        if self._server_name:
            more |= {"server_hostname": self._server_name}
        super().init_poolmanager(*arguments, **more, ssl_context=self._context)

    def get_connection_with_tls_context(self, request: Any, verify: Any, *more: Any, **named: Any) -> Any:
        """What the environment names as authorities (REQUESTS_CA_BUNDLE) is not asked."""
        return super().get_connection_with_tls_context(request, True, *more, **named)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """requests would trust its own authorities in addition; the context has all that is to be trusted."""

"""Sending HL7 over HTTP or HTTPS (HAPI's HL7 over HTTP specification): a POST, answered by the ACK."""

from email.message import Message
from http import HTTPStatus
from types import TracebackType
from typing import Self

import httpx

from mappings.hl7.http_charset import charset_of
from mappings.hl7.reader import Hl7Message
from radflow.connectors.errors import Refused
from radflow.connectors.mllp import Ack, MllpUnavailable, read_answer
from radflow.connectors.tls import https_context, sni
from radflow.settings.tls import ClientTls

MEDIA_TYPE = "application/hl7-v2"
_SPOKEN_ELSEWHERE = frozenset({MEDIA_TYPE, f"{MEDIA_TYPE}+er7", f"x-{MEDIA_TYPE}", f"x-{MEDIA_TYPE}+er7"})
"""Drafts of the specification had other names for it (§2.4)."""

_NOT_THIS_MESSAGE = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
     HTTPStatus.UNPROCESSABLE_ENTITY}
)  # fmt: skip
"""Statuses that speak of the message, so that sending it again would not help."""


class HttpRefused(Refused):
    """The receiver refuses the request as such: it has not come to an AE or AR."""


def media_type(content_type: str) -> tuple[str, str]:
    """A Content-Type header's type and charset, in lower case."""
    header = Message()
    header["Content-Type"] = content_type
    return header.get_content_type(), header.get_content_charset("")


def is_hl7(content_type: str) -> bool:
    return media_type(content_type)[0] in _SPOKEN_ELSEWHERE


class Hl7HttpClient:
    """Sends messages and waits for each answer, on a connection that stays open."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 30,
        tls: ClientTls | None = None,
        user: str = "",
        password: str = "",
        token: str = "",
    ) -> None:
        """Name the receiver; `timeout` is in seconds, for each message.

        Args:
            tls: whom to trust and who we are, for an https URL; None for the authorities the system trusts.
            user: for HTTP Basic authentication, with `password`.
            token: for bearer authentication.

        Raises:
            ConfigError: a certificate or key cannot be read.
        """
        self._url, self._sni = url, sni(tls)
        self._client = httpx.Client(
            timeout=timeout,
            verify=https_context(tls),
            auth=(user, password) if user else None,
            headers={"Authorization": f"Bearer {token}"} if token else None,
            trust_env=False,
        )

    def send(self, message: bytes) -> Ack:
        """Send a message.

        Raises:
            MllpUnavailable: no connection, no answer (in time) that can be read, or error 206 or 207.
            MllpRefused: any other AE or AR.
            HttpRefused: a status that speaks of the message, without an ACK.
        """
        parsed = Hl7Message(message)
        content_type = f"{MEDIA_TYPE}; charset={charset_of(parsed.delimiters.codec)}"
        try:
            response = self._client.post(
                self._url, content=message, headers={"Content-Type": content_type}, extensions=self._sni
            )
        except httpx.TimeoutException as error:
            raise MllpUnavailable("The receiver does not answer in time") from error
        except httpx.HTTPError as error:
            raise MllpUnavailable(f"The receiver cannot be reached: {type(error).__name__}") from error
        return _ack(response, parsed)

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _ack(response: httpx.Response, sent: Hl7Message) -> Ack:
    """What the response says. HAPI's own servers answer AR with 400 and AE with 500: the ACK counts."""
    if is_hl7(response.headers.get("Content-Type", "")):
        return read_answer(response.content, sent.get("MSH-10"))
    if response.status_code == HTTPStatus.NO_CONTENT:
        return Ack("CA", sent.get("MSH-10"))
    if response.status_code in _NOT_THIS_MESSAGE:
        raise HttpRefused(f"The receiver answers HTTP status {response.status_code}")
    raise MllpUnavailable(f"The receiver answers HTTP status {response.status_code} and no acknowledgment")

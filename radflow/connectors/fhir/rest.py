"""FHIR's RESTful API (R4 §3.1.0) as far as it is needed: reads alone and in batches, transactions."""

from collections.abc import Sequence
from datetime import timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx
import orjson
import structlog

from radflow.connectors.fhir.errors import FhirConflict, FhirRefused, FhirUnavailable
from radflow.connectors.fhir.outcome import issues
from radflow.connectors.tls import https_context, sni
from radflow.settings.tls import ClientTls

log = structlog.get_logger()

FHIR_JSON = "application/fhir+json"

TRY_AGAIN = frozenset({408, 425, 429})
"""Beside every 5xx: request time-out, too early, too many requests."""
CONFLICT = frozenset({409, 412})
"""Somebody else has written since we looked (If-Match, If-None-Exist)."""
_HINTS = {
    401: "look at auth of this destination",
    403: "the server does not let us do this",
    413: "set max_entries of this destination",
}

Json = dict[str, Any]


class FhirRest:
    """A connection to the server at this base URL, kept open for one publication."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        tls: ClientTls | None = None,
        auth: httpx.Auth | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`timeout` is in seconds, for each request. Raises ConfigError where TLS files cannot be read."""
        self.url = url.rstrip("/")
        self._sni = sni(tls)
        self._client = httpx.Client(
            timeout=timeout,
            verify=https_context(tls),
            auth=auth,
            transport=transport,
            trust_env=False,
        )

    def read(self, urls: Sequence[str]) -> list[Json | None]:
        """What these relative URLs give, by one batch; None for what is not there (404, 410).

        Raises:
            FhirUnavailable, FhirRefused: the server does not answer, or not all of it.
        """
        requests = [{"request": {"method": "GET", "url": url}} for url in urls]
        return [_found(entry) for entry in self._post("batch", requests)]

    def get(self, url: str) -> Json | None:
        """A resource or a page of a search, by a relative URL or one below the base; None if it is not there.

        Raises:
            FhirUnavailable, FhirRefused: the server does not answer; the URL is another server's.
        """
        if "://" in url and not url.startswith((f"{self.url}/", f"{self.url}?")):
            # Whoever we are to this server is nobody else's business.
            raise FhirRefused("The FHIR server refers to a URL that is not below its own base")
        whole = url if "://" in url else f"{self.url}/{url}"
        answer = self._send("GET", whole, {"Accept": FHIR_JSON})
        if answer.status_code in (404, 410):
            return None
        return _json(self._successful(answer))

    def write(self, entries: Sequence[Json]) -> list[Json]:
        """Send a transaction: all of it happens or nothing. Returns the answer's entries.

        Raises:
            FhirConflict: somebody else has written since we looked.
            FhirUnavailable: it may work later. Whether it has been written is not known.
            FhirRefused: the server has said no.
        """
        return self._post("transaction", entries)

    def _post(self, kind: str, entries: Sequence[Json]) -> list[Json]:
        bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
        headers = {"Content-Type": FHIR_JSON, "Accept": FHIR_JSON}
        if kind == "transaction":
            headers["Prefer"] = "return=minimal"
        answer = self._successful(self._send("POST", self.url, headers, orjson.dumps(bundle)))
        return _answers(_json(answer), kind, len(entries))

    def _send(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None = None
    ) -> httpx.Response:
        try:
            return self._client.request(method, url, content=content, headers=headers, extensions=self._sni)
        except httpx.TimeoutException as error:
            raise FhirUnavailable("The FHIR server does not answer in time") from error
        except httpx.HTTPError as error:
            raise FhirUnavailable(f"The FHIR server cannot be reached: {type(error).__name__}") from error

    def _successful(self, answer: httpx.Response) -> httpx.Response:
        if not answer.is_success:
            # What the server says may quote the patient: for the one who asks for it by the log level.
            log.debug("fhir server refused", status=answer.status_code, answer=answer.text)
            raise failure(answer.status_code, _json(answer), answer.headers)
        return answer

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def failure(status: int, outcome: Any, headers: httpx.Headers | None = None) -> FhirUnavailable | FhirRefused:
    """What a status means for those who want to write."""
    said = (f"The FHIR server answers HTTP {status}", issues(outcome), _HINTS.get(status, ""))
    text = "; ".join(filter(None, said))
    if status in CONFLICT:
        return FhirConflict(text)
    if status < 500 and status not in TRY_AGAIN:
        return FhirRefused(text)
    later = FhirUnavailable(text)
    later.retry_after = retry_after(headers or httpx.Headers())
    return later


def retry_after(headers: httpx.Headers) -> timedelta:
    """Retry-After (RFC 9110 §10.2.3): seconds, or a date, which is compared with the server's own."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return timedelta(seconds=int(value[:9]))
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError):
        return timedelta(0)
    return max(wait, timedelta(0))


def _found(entry: Json) -> Json | None:
    status = status_of(entry)
    if status in (404, 410):
        return None
    if not 200 <= status < 300:
        raise failure(status, (entry.get("response") or {}).get("outcome") or entry.get("resource"))
    resource = entry.get("resource")
    if not isinstance(resource, dict):
        raise FhirRefused("The FHIR server answers a batch of reads without the resources")
    return resource


def status_of(entry: Json) -> int:
    """Bundle.entry.response.status, which begins with the number of the HTTP status."""
    digits = str((entry.get("response") or {}).get("status", ""))[:3]
    return int(digits) if digits.isdecimal() else 0


def _answers(body: Json, kind: str, sent: int) -> list[Json]:
    entries = body.get("entry", [])
    if body.get("type") != f"{kind}-response" or len(entries) != sent:
        raise FhirRefused(f"The answer is not a {kind}-response with an entry for each one sent")
    return [entry if isinstance(entry, dict) else {} for entry in entries]


def _json(answer: httpx.Response) -> Json:
    try:
        body = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}

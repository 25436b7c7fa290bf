"""A FHIR R4 server over HTTP: one transaction a publication (R4 §3.1.0.11)."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import orjson
import structlog

from radflow.connectors.fhir_errors import FhirRefused, FhirUnavailable

log = structlog.get_logger()

FHIR_JSON = "application/fhir+json"

TRY_AGAIN = frozenset({408, 409, 429})
"""Beside every 5xx: request timeout, a conflict with somebody else's write, too many requests."""

_LOCATION = re.compile(r"([A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64})(?:/_history/[^/]+)?$")
_PATH = re.compile(r"[A-Za-z][\w.\[\]]*")
"""A FHIRPath of element names and indices alone; anything else in OperationOutcome may quote the patient."""


class HttpFhirServer:
    """A server at this base URL."""

    def __init__(self, url: str, *, timeout: float, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url
        self._timeout = timeout
        self._transport = transport

    def publish(self, bundle: dict[str, Any], *, order_key: str, day: date) -> list[str]:
        """Send the transaction; returns what the server calls its resources, in the order of the entries.

        An entry of which the server does not tell an id is called by its type alone.

        Raises:
            FhirUnavailable: it may work later.
            FhirRefused: the server has said no.
        """
        answer = self._post(bundle)
        if not answer.is_success:
            raise _failure(answer.status_code, answer)
        sent, answered = bundle["entry"], _entries(answer)
        if len(sent) != len(answered):
            raise FhirRefused("the answer is not a transaction-response with an entry for each one sent")
        return [_reference(ours, theirs) for ours, theirs in zip(sent, answered, strict=True)]

    def _post(self, bundle: dict[str, Any]) -> httpx.Response:
        headers = {"Content-Type": FHIR_JSON, "Accept": FHIR_JSON, "Prefer": "return=minimal"}
        try:
            with httpx.Client(timeout=self._timeout, transport=self._transport) as client:
                return client.post(self._url, content=orjson.dumps(bundle), headers=headers)
        except httpx.RequestError as error:
            raise FhirUnavailable(f"FHIR server: {type(error).__name__}") from error


def _entries(answer: httpx.Response) -> list[dict[str, Any]]:
    body = _json(answer)
    return body.get("entry", []) if body.get("type") == "transaction-response" else []


def _reference(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """`Type/id`, from Bundle.entry.response.location, else from the resource where it was returned."""
    response, resource = theirs.get("response", {}), theirs.get("resource", {})
    found = _LOCATION.search(response.get("location", ""))
    if found:
        return found[1]
    resource_type: str = ours["resource"]["resourceType"]
    return f"{resource_type}/{resource['id']}" if "id" in resource else resource_type


def _failure(status: int, answer: httpx.Response) -> FhirUnavailable | FhirRefused:
    # What the server says may quote the patient: for the one who asks for it by the log level.
    log.debug("fhir server refused", status=status, answer=answer.text)
    text = "; ".join([f"FHIR server: HTTP {status}", *_issues(_json(answer))])
    if status >= 500 or status in TRY_AGAIN:
        return FhirUnavailable(text)
    return FhirRefused(text)


def _issues(outcome: dict[str, Any]) -> Iterator[str]:
    """OperationOutcome.issue: its code (value set issue-type) and where; never details or diagnostics."""
    for issue in outcome.get("issue", []):
        places = issue.get("expression", []) + issue.get("location", [])
        yield " ".join(filter(_PATH.fullmatch, [issue.get("code", ""), *places]))


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}

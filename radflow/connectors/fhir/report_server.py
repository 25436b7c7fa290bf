"""A FHIR server that has DiagnosticReports: what has changed there, and each with what it refers to."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from mappings.fhir.report_source import RESOURCE_TYPE, relative
from radflow.connectors.fhir.auth import fhir_auth
from radflow.connectors.fhir.errors import FhirRefused
from radflow.connectors.fhir.rest import FhirRest, Json
from radflow.settings.report_sources import FhirSource, FhirSubscription

_FOLLOWED = ("subject", "basedOn", "imagingStudy", "result", "resultsInterpreter", "performer")
"""Elements of a DiagnosticReport whose references say something of it."""
_FOLLOWED_THERE = {"Observation": ("hasMember",), "PractitionerRole": ("practitioner",)}
"""And of what it refers to."""
MOST = 500
"""Resources that are fetched for one report."""


@contextmanager
def open_report_server(source: FhirSource) -> Iterator["ReportServer"]:
    """A connection for one round of questions. Raises ConfigError where a secret or key cannot be read."""
    auth = fhir_auth(source.auth, source.url)
    with FhirRest(source.url, timeout=source.timeout_seconds, tls=source.tls, auth=auth) as rest:
        yield ReportServer(rest, source)


class ReportServer:
    """What is asked of it; each method raises FhirUnavailable or FhirRefused where it does not answer."""

    def __init__(self, rest: FhirRest, source: FhirSource) -> None:
        self._rest = rest
        self._source = source

    def changed(self, since: datetime) -> Iterator[list[Json]]:
        """Pages of the reports that were changed since then, by the server's clock; a page may be empty."""
        wanted = {"_lastUpdated": f"ge{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", "_sort": "_lastUpdated"}
        query = urlencode({**wanted, "_count": self._source.page}, safe=":")
        url: str | None = f"{RESOURCE_TYPE}?{'&'.join(filter(None, (query, self._source.query)))}"
        while url:
            page = self._rest.get(url) or {}
            entries = [entry.get("resource") for entry in page.get("entry", []) if isinstance(entry, dict)]
            yield [
                one for one in entries if isinstance(one, dict) and one.get("resourceType") == RESOURCE_TYPE
            ]
            url = _next(page)

    def whole(self, report: Json) -> bytes:
        """The report and what it refers to, as a Bundle; of the same content always the same bytes.

        What is not there, or must not be read, is left out, and so is what is on another server.
        """
        found: dict[str, Json] = {}
        waiting = list(_references(report, _FOLLOWED))
        while waiting and len(found) < MOST:
            name = waiting.pop(0)
            if name in found or not (resource := self._read(name)):
                continue
            found[name] = resource
            waiting += _references(resource, _FOLLOWED_THERE.get(resource.get("resourceType", ""), ()))
        entries = [
            {"fullUrl": f"{self._rest.url}/{RESOURCE_TYPE}/{report.get('id', '')}", "resource": report},
            *({"fullUrl": f"{self._rest.url}/{name}", "resource": one} for name, one in found.items()),
        ]
        forms = report.get("presentedForm")
        for form in forms if isinstance(forms, list) else []:
            self._fetch_document(form)
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        return json.dumps(bundle, sort_keys=True, ensure_ascii=False).encode()

    def _fetch_document(self, form: Any) -> None:
        """Put the document of a Binary where it would stand if it had been sent along."""
        if not isinstance(form, dict) or form.get("data") or not isinstance(form.get("url"), str):
            return
        binary = self._read(form["url"])
        if binary and binary.get("data"):
            form["data"] = binary["data"]
            form.setdefault("contentType", binary.get("contentType", ""))

    def _read(self, url: str) -> Json | None:
        try:
            return self._rest.get(url)
        except FhirRefused:
            return None

    def subscribe(self, source: FhirSubscription, now: datetime) -> str:
        """Make the Subscription, or make it anew where there is one with our endpoint; its `Type/id`."""
        known = self._rest.get(f"Subscription?url={quote(source.endpoint, safe='')}") or {}
        there = [entry["resource"] for entry in known.get("entry", []) if "resource" in entry]
        wanted = subscription(source, now)
        if there:
            url = f"Subscription/{there[0]['id']}"
            request: Json = {"method": "PUT", "url": url}
            wanted["id"] = there[0]["id"]
        else:
            query = f"url={quote(source.endpoint, safe='')}"
            request = {"method": "POST", "url": "Subscription", "ifNoneExist": query}
        (answer,) = self._rest.write([{"resource": wanted, "request": request}])
        location = str((answer.get("response") or {}).get("location") or "")
        return relative(location) if location else request["url"]


def subscription(source: FhirSubscription, now: datetime) -> Json:
    """R4 Subscription (§2.1.0.5): a rest-hook without a payload, since we read for ourselves."""
    until = {"end": (now + timedelta(days=source.lasts_days)).isoformat()} if source.lasts_days else {}
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "Reports of imaging orders",
        "criteria": f"{RESOURCE_TYPE}?{source.query}" if source.query else RESOURCE_TYPE,
        "channel": {
            "type": "rest-hook",
            "endpoint": source.endpoint,
            "header": [f"Authorization: Bearer {source.secret.read()}"],
        },
        **until,
    }


def _next(page: Json) -> str | None:
    links = page.get("link") or []
    return next((link.get("url") for link in links if link.get("relation") == "next"), None)


def _references(resource: Json, elements: Sequence[str]) -> Iterator[str]:
    """What these elements refer to by a URL; not what is contained, and nothing logical."""
    for element in elements:
        value = resource.get(element)
        for one in value if isinstance(value, list) else [value]:
            reference = one.get("reference") if isinstance(one, dict) else None
            if isinstance(reference, str) and reference and not reference.startswith(("#", "urn:")):
                yield reference

"""One entry of a transaction: what is sent for it, and what the answer says became of it."""

import re
from collections.abc import Mapping
from typing import Any

from mappings.fhir.merging import merged, same
from mappings.fhir.publishing import Entry, Known, Outcome, Written
from mappings.fhir.references import references_in, renamed
from radflow.connectors.fhir.looking import Found
from radflow.connectors.fhir.outcome import issues
from radflow.connectors.fhir.rest import Json, status_of

_LOCATION = re.compile(r"([A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64})(?:/_history/([^/]+))?$")
_ETAG = re.compile(r'(?:W/)?"(.+)"')


def wanted(entry: Entry, there: Found, known: Known | None, references: Mapping[str, str]) -> dict[str, Any]:
    """What is to stand on the server."""
    written_before = known.elements if known and not entry.withdraws else frozenset[str]()
    return merged(there.resource, renamed(entry.resource, references), written_before=written_before)


def is_there(entry: Entry, there: Found, known: Known | None, references: Mapping[str, str]) -> bool:
    """Whether the server has this content already.

    A server may have changed in its own way what it was given: then it has ours if nobody has written since.
    """
    if same(there.resource, wanted(entry, there, known, references)):
        return True
    ours = set(references_in(renamed(entry.resource, references)))
    return (
        known is not None
        and known.digest == entry.digest
        and known.reference == there.reference
        and known.version == there.version != ""
        and ours <= set(references_in(there.resource))
    )


def update(url: str, there: Found, resource: dict[str, Any]) -> Json:
    """An update of the version that we have seen (R4 §3.1.0.1.5.5)."""
    if_match = {"ifMatch": f'W/"{there.version}"'} if there.version else {}
    return {
        "fullUrl": f"{url}/{there.reference}",
        "resource": resource,
        "request": {"method": "PUT", "url": there.reference, **if_match},
    }


def create(entry: Entry, references: Mapping[str, str]) -> Json:
    """A conditional create (R4 §3.1.0.8.1): what somebody else makes meanwhile is not made twice."""
    resource_type, _, query = entry.search.partition("?")
    return {
        "fullUrl": entry.name,
        "resource": renamed(entry.resource, references),
        "request": {"method": "POST", "url": resource_type, "ifNoneExist": query},
    }


def written(entry: Entry, answer: Json, there: Found | None) -> Written | None:
    """What became of the entry; None where a create met what somebody else has made, or nothing is said."""
    if status_of(answer) == 0 or (there is None and status_of(answer) != 201):
        return None
    reference, version = _told(entry, answer)
    return Written(
        entry,
        _became(entry, there),
        reference=there.reference if there else reference,
        version=version,
        reason=issues(answer["response"].get("outcome")),
    )


def _became(entry: Entry, there: Found | None) -> Outcome:
    if entry.withdraws:
        return Outcome.WITHDRAWN
    return Outcome.UPDATED if there else Outcome.CREATED


def _told(entry: Entry, answer: Json) -> tuple[str, str]:
    """Reference and version by ETag and location, else by the resource; empty where they are not told."""
    response, resource = answer["response"], answer.get("resource") or {}
    etag = _ETAG.fullmatch(response.get("etag") or "")
    location = _LOCATION.search(response.get("location") or "")
    by_resource = f"{entry.resource_type}/{resource['id']}" if "id" in resource else ""
    version = (
        (etag and etag[1]) or (location and location[2]) or resource.get("meta", {}).get("versionId", "")
    )
    return location[1] if location else by_resource, str(version)

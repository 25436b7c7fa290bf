"""What a server has already of the entries that are to be published."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mappings.fhir.publishing import Entry, Memory
from mappings.fhir.references import references_in, renamed
from radflow.connectors.fhir.errors import FhirRefused
from radflow.connectors.fhir.rest import FhirRest, Json

READS_AT_ONCE = 100
"""Requests in one batch, unless the server takes fewer."""


@dataclass(frozen=True)
class Found:
    """A resource as the server has it, referring to others there by relative URLs."""

    resource: dict[str, Any]

    @property
    def reference(self) -> str:
        return f"{self.resource['resourceType']}/{self.resource['id']}"

    @property
    def version(self) -> str:
        """Empty where the server has no versions."""
        return str(self.resource.get("meta", {}).get("versionId", ""))


def look(rest: FhirRest, entries: Sequence[Entry], memory: Memory, most: int | None) -> dict[str, Found]:
    """By the name of the entry: read where its id is known, else searched for by its identifier.

    A search may lag behind what was written a moment ago; a read does not.

    Raises:
        FhirRefused: an identifier is that of several resources, so that we cannot know which is meant.
        FhirUnavailable: the server does not answer now.
    """
    known = {entry.name: was for entry in entries if (was := memory.known(entry.name)) and was.reference}
    by_id = [entry for entry in entries if entry.name in known]
    read = _read(rest, [known[entry.name].reference for entry in by_id], most)
    found = {
        entry.name: _found(rest, resource)
        for entry, resource in zip(by_id, read, strict=True)
        if resource is not None
    }
    missing = [entry for entry in entries if entry.name not in found and not entry.withdraws]
    answers = _read(rest, [f"{entry.search}&_count=2" for entry in missing], most)
    for entry, answer in zip(missing, answers, strict=True):
        if resource := _only_one(entry, answer or {}):
            found[entry.name] = _found(rest, resource)
    return found


def _read(rest: FhirRest, urls: Sequence[str], most: int | None) -> list[Json | None]:
    at_once = min(most or READS_AT_ONCE, READS_AT_ONCE)
    starts = range(0, len(urls), at_once)
    return [answer for start in starts for answer in rest.read(urls[start : start + at_once])]


def _only_one(entry: Entry, searchset: Json) -> Json | None:
    resources = [one.get("resource", {}) for one in searchset.get("entry", [])]
    matches = [one for one in resources if one.get("resourceType") == entry.resource_type]
    if len(matches) > 1:
        raise FhirRefused(
            f"The FHIR server has more than one {entry.resource_type} with the identifier of this one; "
            "merge them there"
        )
    return matches[0] if matches else None


def _found(rest: FhirRest, resource: Json) -> Found:
    if not isinstance(resource.get("id"), str):
        raise FhirRefused("The FHIR server gives a resource without an id")
    own = f"{rest.url}/"
    relative = {url: url.removeprefix(own) for url in references_in(resource) if url.startswith(own)}
    return Found(renamed(resource, relative))

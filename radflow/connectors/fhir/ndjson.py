"""FHIR as files: newline-delimited JSON as in Bulk Data, a folder a day, a file an order."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from mappings.fhir.publishing import WITHDRAWN, Entry, Memory, Outcome, Written, entries_of
from mappings.fhir.references import renamed
from radflow.connectors.atomic import write_atomically
from radflow.connectors.fhir.errors import FhirUnavailable

URN_UUID = "urn:uuid:"


class NdjsonFiles:
    """Resources under this folder: `<YYYY-MM-DD>/<order key>.ndjson`, one resource a line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def publish(
        self,
        bundle: dict[str, Any],
        *,
        order_key: str,
        day: date,
        memory: Memory,
        withdrawn: Sequence[Entry] = (),
    ) -> list[Written]:
        """Write the order's file, in the place of an earlier one; the same bundle gives the same bytes.

        What is withdrawn stays in it, under its new status.

        Raises:
            FhirUnavailable: the file system does not take it.
        """
        entries = entries_of(bundle)
        names = {entry.name: _reference(entry) for entry in entries}
        lines = [orjson.dumps(_resource(entry, names)) for entry in entries]
        path = self._folder / day.isoformat() / f"{order_key}.ndjson"
        try:
            before = path.read_bytes().splitlines() if path.exists() else []
            lines += _withdrawn(before, names, withdrawn)
            if before != lines:
                write_atomically(path, b"\n".join(lines) + b"\n")
        except OSError as error:
            reason = f"FHIR files: {error.strerror}"
            memory.keep([Written(entry, Outcome.UNAVAILABLE, reason=reason) for entry in entries])
            raise FhirUnavailable(reason) from error
        became = [
            Written(entry, _outcome(entry, line, before), names[entry.name])
            for entry, line in zip(entries, lines, strict=False)
        ]
        became += [Written(entry, Outcome.WITHDRAWN) for entry in withdrawn]
        memory.keep(became)
        return became


def _reference(entry: Entry) -> str:
    """`Type/id`; the id is the UUID of the entry's `fullUrl`, the same at every repeat."""
    return f"{entry.resource_type}/{entry.name.removeprefix(URN_UUID)}"


def _resource(entry: Entry, names: dict[str, str]) -> dict[str, Any]:
    resource_type, _, id_ = names[entry.name].partition("/")
    rest: dict[str, Any] = renamed(entry.resource, names)
    return {"resourceType": resource_type, "id": id_} | rest


def _withdrawn(before: Sequence[bytes], names: dict[str, str], withdrawn: Sequence[Entry]) -> list[bytes]:
    """The lines of what is withdrawn now, and of what has been before."""
    now = {entry.name: renamed(entry.resource, names) for entry in withdrawn}
    kept = []
    for resource in map(orjson.loads, before):
        name = URN_UUID + resource["id"]
        gone = resource.get("status") in WITHDRAWN or resource.get("active") is False
        if name not in names and (name in now or gone):
            kept.append(orjson.dumps(resource | now.get(name, {})))
    return kept


def _outcome(entry: Entry, line: bytes, before: list[bytes]) -> Outcome:
    if line in before:
        return Outcome.UNCHANGED
    known = any(orjson.loads(other)["id"] == entry.name.removeprefix(URN_UUID) for other in before)
    return Outcome.UPDATED if known else Outcome.CREATED

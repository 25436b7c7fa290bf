"""FHIR as files: newline-delimited JSON as in Bulk Data, a folder a day, a file an order."""

from datetime import date
from pathlib import Path
from typing import Any

import orjson

from radflow.connectors.atomic import write_atomically
from radflow.connectors.fhir_errors import FhirUnavailable

URN_UUID = "urn:uuid:"


class NdjsonFiles:
    """Resources under this folder: `<YYYY-MM-DD>/<order key>.ndjson`, one resource a line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def publish(self, bundle: dict[str, Any], *, order_key: str, day: date) -> list[str]:
        """Write the order's file, in the place of an earlier one; the same bundle gives the same bytes.

        Raises:
            FhirUnavailable: the file system does not take it.
        """
        names = {entry["fullUrl"]: _name(entry) for entry in bundle["entry"]}
        lines = [orjson.dumps(_resource(entry, names)) for entry in bundle["entry"]]
        path = self._folder / day.isoformat() / f"{order_key}.ndjson"
        try:
            write_atomically(path, b"\n".join(lines) + b"\n")
        except OSError as error:
            raise FhirUnavailable(f"FHIR files: {error.strerror}") from error
        return list(names.values())


def _name(entry: dict[str, Any]) -> str:
    """`Type/id`; the id is the UUID of the entry's `fullUrl`, the same at every repeat."""
    return f"{entry['resource']['resourceType']}/{entry['fullUrl'].removeprefix(URN_UUID)}"


def _resource(entry: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    resource_type, _, id_ = names[entry["fullUrl"]].partition("/")
    rest: dict[str, Any] = _renamed(entry["resource"], names)
    return {"resourceType": resource_type, "id": id_} | rest


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """The value with every reference to an entry (`urn:uuid:…`) turned into `Type/id`."""
    if isinstance(value, dict):
        return {
            key: names.get(part, part) if key == "reference" else _renamed(part, names)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [_renamed(part, names) for part in value]
    return value

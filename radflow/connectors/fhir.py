"""Where FHIR resources are published: one small interface, a server, files, and a fake for tests.

A new kind of destination is a class with `publish`, a settings class and one entry in `KINDS`.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from radflow.connectors.fhir_check import check
from radflow.connectors.fhir_errors import FhirInvalid, FhirRefused, FhirUnavailable
from radflow.connectors.fhir_http import HttpFhirServer
from radflow.connectors.fhir_ndjson import NdjsonFiles
from radflow.settings import HttpFhir, NdjsonFhir

__all__ = [
    "FakeFhir",
    "FhirDestination",
    "FhirInvalid",
    "FhirRefused",
    "FhirUnavailable",
    "check",
    "open_fhir",
]


class FhirDestination(Protocol):
    def publish(self, bundle: dict[str, Any], *, order_key: str, day: date) -> list[str]:
        """Publish a transaction that `check` accepts; a repeat of the same one changes nothing.

        Returns `Type/id` of each resource, in the order of the entries.
        Raises FhirUnavailable, FhirRefused.
        """


def _http(destination: HttpFhir, _path: Path) -> FhirDestination:
    return HttpFhirServer(destination.url, timeout=destination.timeout_seconds)


def _ndjson(destination: NdjsonFhir, path: Path) -> FhirDestination:
    return NdjsonFiles(Path(destination.path) if destination.path else path)


KINDS: dict[str, Callable[[Any, Path], FhirDestination]] = {"http": _http, "ndjson": _ndjson}


def open_fhir(destination: HttpFhir | NdjsonFhir, path: Path) -> FhirDestination:
    """The destination that these settings describe; `path` is for files that say no place of their own."""
    return KINDS[destination.kind](destination, path)


class FakeFhir:
    """A destination in memory: raises `failures` first, one a call; keeps the newest bundle per order."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.published: dict[str, dict[str, Any]] = {}

    def publish(self, bundle: dict[str, Any], *, order_key: str, day: date) -> list[str]:
        if self._failures:
            raise self._failures.pop(0)
        self.published[order_key] = bundle
        return [
            f"{entry['resource']['resourceType']}/{order_key}-{number}"
            for number, entry in enumerate(bundle["entry"])
        ]

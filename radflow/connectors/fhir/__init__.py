"""Where FHIR resources are published: one small interface, a server, files, and a fake for tests.

A new kind of destination is a class with `publish`, a settings class and one entry in `KINDS`.
"""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from mappings.fhir.publishing import Entry, Memory, Written
from radflow.connectors.fhir.auth import fhir_auth
from radflow.connectors.fhir.errors import FhirConflict, FhirInvalid, FhirRefused, FhirUnavailable
from radflow.connectors.fhir.fake import FakeFhir, RememberedInProcess
from radflow.connectors.fhir.ndjson import NdjsonFiles
from radflow.connectors.fhir.rest import FhirRest
from radflow.connectors.fhir.server import HttpFhirServer
from radflow.connectors.fhir_check import check
from radflow.settings import HttpFhir, NdjsonFhir

__all__ = [
    "FakeFhir",
    "FhirConflict",
    "FhirDestination",
    "FhirInvalid",
    "FhirRefused",
    "FhirUnavailable",
    "RememberedInProcess",
    "check",
    "open_fhir",
]


class FhirDestination(Protocol):
    def publish(
        self,
        bundle: dict[str, Any],
        *,
        order_key: str,
        day: date,
        memory: Memory,
        withdrawn: Sequence[Entry] = (),
    ) -> list[Written]:
        """Publish a transaction that `check` accepts; a repeat of the same one changes nothing.

        `withdrawn` is what was published and is no longer part of the result. Returns what has become of each
        entry, in their order, then of those. `memory` is told so as soon as it is known.
        Raises Unavailable, Refused: of some of the entries, or all.
        """


def _http(destination: HttpFhir, _path: Path) -> FhirDestination:
    auth = fhir_auth(destination.auth, destination.url)
    return HttpFhirServer(
        lambda: FhirRest(
            destination.url, timeout=destination.timeout_seconds, tls=destination.tls, auth=auth
        ),
        max_entries=destination.max_entries,
        matched=frozenset() if destination.writes_patients else frozenset({"Patient"}),
    )


def _ndjson(destination: NdjsonFhir, path: Path) -> FhirDestination:
    return NdjsonFiles(Path(destination.path) if destination.path else path)


KINDS: dict[str, Callable[[Any, Path], FhirDestination]] = {"http": _http, "ndjson": _ndjson}


def open_fhir(destination: HttpFhir | NdjsonFhir, path: Path) -> FhirDestination:
    """The destination that these settings describe; `path` is for files that say no place of their own.

    Raises:
        ConfigError: a secret, key or certificate that they name cannot be read.
    """
    return KINDS[destination.kind](destination, path)

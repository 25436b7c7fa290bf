"""A FHIR destination and a memory for tests: nothing leaves the process."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from mappings.fhir.publishing import Entry, Known, Memory, Outcome, Written, entries_of


class RememberedInProcess:
    """A memory that lives as long as the process."""

    def __init__(self) -> None:
        self.written: dict[str, Written] = {}
        self._known: dict[str, Known] = {}

    def known(self, name: str) -> Known | None:
        return self._known.get(name)

    def keep(self, written: Sequence[Written]) -> None:
        for one in written:
            self.written[one.entry.name] = one
            if one.reference:
                self._known[one.entry.name] = Known(
                    one.reference, one.version, one.entry.digest, frozenset(one.entry.resource)
                )


class FakeFhir:
    """A destination in memory: raises `failures` first, one a call; keeps the newest bundle per order."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.published: dict[str, dict[str, Any]] = {}

    def publish(
        self,
        bundle: dict[str, Any],
        *,
        order_key: str,
        day: date,
        memory: Memory,
        withdrawn: Sequence[Entry] = (),
    ) -> list[Written]:
        if self._failures:
            raise self._failures.pop(0)
        self.published[order_key] = bundle
        became = [
            Written(entry, Outcome.CREATED, f"{entry.resource_type}/{order_key}-{number}")
            for number, entry in enumerate(entries_of(bundle))
        ]
        became += [Written(entry, Outcome.WITHDRAWN) for entry in withdrawn]
        memory.keep(became)
        return became

"""What became of each entry of a transaction at a destination, and what is remembered of it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class Outcome(StrEnum):
    """What has become of an entry."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    """The destination had it already, and nothing was written."""
    MATCHED = "matched"
    """It is another's to write; the destination has it, and ours refer to it."""
    WITHDRAWN = "withdrawn"
    """It is no longer part of the result: marked so by its status."""
    UNAVAILABLE = "unavailable"
    """Not written yet: it is tried again."""
    REFUSED = "refused"
    """Not written: the destination has said no to its transaction."""


PUBLISHED = frozenset({Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED, Outcome.MATCHED})
"""The destination has it."""

WITHDRAWABLE = frozenset({"ImagingStudy", "DiagnosticReport", "Observation", "DocumentReference"})
"""What is an order's own, and has the status `entered-in-error`. Patients and visits are not ours to end."""


WITHDRAWN = frozenset({"entered-in-error", "cancelled"})
"""The status of what is withdrawn."""


@dataclass(frozen=True)
class Entry:
    """A resource to publish, and how it is found."""

    name: str
    """`fullUrl`: the same at every repeat, and how other entries refer to it."""
    resource: dict[str, Any]
    search: str
    """The conditional URL, `Type?identifier=…`; empty where it is withdrawn."""
    withdraws: bool = False
    """It was published, and is no longer part of the result: only its status is to be written."""

    @property
    def resource_type(self) -> str:
        name: str = self.resource["resourceType"]
        return name

    @property
    def digest(self) -> str:
        """SHA-256 of the content, with references as they stand in the bundle."""
        return hashlib.sha256(json.dumps(self.resource, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Known:
    """What was last written of an entry at a destination."""

    reference: str
    """`Type/id`."""
    version: str
    """`meta.versionId` that it had then; empty where the destination has none."""
    digest: str
    elements: frozenset[str]
    """The elements that were written."""


@dataclass(frozen=True)
class Written:
    """What has become of an entry."""

    entry: Entry
    outcome: Outcome
    reference: str = ""
    version: str = ""
    reason: str = ""
    """Issue codes and paths of an OperationOutcome, or why it failed; free of patient data."""


class Memory(Protocol):
    """What a destination asks of, and tells to, whoever remembers publications."""

    def known(self, name: str) -> Known | None:
        """What was last written of the entry of this name."""

    def keep(self, written: Sequence[Written]) -> None:
        """Remember what has become of entries: a retry goes on from here."""


def entries_of(bundle: dict[str, Any]) -> list[Entry]:
    """The entries of a transaction of conditional updates."""
    return [
        Entry(entry["fullUrl"], entry["resource"], entry["request"]["url"])
        for entry in bundle.get("entry", [])
    ]

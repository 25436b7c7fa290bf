"""Backfills: a kind each, with what it plans and what it does with one item."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from radflow.store.backfills import Outcome
from tasks.backfill import fhir, remap, studies, warehouse
from tasks.backfill.parameters import (
    ImportStudies,
    Pace,
    Parameters,
    RebuildWarehouse,
    Remap,
    RepublishFhir,
)

__all__ = [
    "KINDS",
    "ImportStudies",
    "Kind",
    "Pace",
    "Parameters",
    "RebuildWarehouse",
    "Remap",
    "RepublishFhir",
]


@dataclass(frozen=True)
class Kind:
    """A kind of backfill."""

    parameters: type[Parameters]
    plan: Callable[[Session, Any, str, int], Sequence[str]]
    """(parameters, last item planned, how many) → the next items, each greater than the one before."""
    do: Callable[[Any, str], Outcome]
    """(parameters, item) → what became of it. Doing it twice is as doing it once."""


KINDS: dict[str, Kind] = {
    "rebuild-warehouse": Kind(RebuildWarehouse, warehouse.plan, warehouse.do),
    "republish-fhir": Kind(RepublishFhir, fhir.plan, fhir.do),
    "import-studies": Kind(ImportStudies, studies.plan, studies.do),
    "remap": Kind(Remap, remap.plan, remap.do),
}
"""Name of the flow → what it does. A new kind is one entry here, a flow and a deployment."""

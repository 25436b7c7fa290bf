"""Code tables of HL7 v2: `mappings/tables/*.csv`, a v2 code and what radflow makes of it.

Requested procedure priority follows IHE RAD-4 (table 0027, later 0485). A report of which some results
are there (table 0123, A), or are stored and not yet verified (R), is preliminary: better is to come.
"""

import csv
from functools import cache
from pathlib import Path

from radflow.order import Event

TABLES = Path(__file__).parent.parent / "tables"

WITHOUT_REPORT = frozenset({"O", "I", "S"})
"""HL7 table 0123: ordered, in work, scheduled. There is nothing to report yet, and nothing is wrong."""


@cache
def _table(name: str) -> dict[str, str]:
    with (TABLES / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    return dict(rows)


def priority(code: str) -> str:
    """HL7 tables 0485, 0027 → Requested Procedure Priority (0040,1003); empty for any other code."""
    return _table("requested-procedure-priority").get(code.upper(), "")


def report_event(status: str) -> Event | None:
    """HL7 table 0123 (OBR-25) → what a report of this status is to its order; None where it is no report."""
    event = _table("report-event").get(status)
    return Event(event) if event else None

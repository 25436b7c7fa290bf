"""The code tables: a CSV file each, its first column the code that is looked up, the rest what it becomes.

    hl7_0001,administrative_gender
    F,female

The first line says what the columns are. A site may say otherwise for some codes: `Tables` holds its rows
above those that come with radflow.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent

Rows = Mapping[str, tuple[str, ...]]
"""Code → the columns after it."""


@dataclass(frozen=True)
class Tables:
    """The tables of a site."""

    overrides: Mapping[str, Rows] = field(default_factory=dict)
    """Name of a table → rows that come before those of radflow, code by code."""

    def row(self, table: str, code: str) -> tuple[str, ...] | None:
        """What the code becomes; None when the table has none. Raises KeyError for no table at all."""
        own = self.overrides.get(table, {}).get(code)
        return own if own is not None else packaged(table).get(code)

    def code(self, table: str, code: str) -> str | None:
        """The first column of it."""
        row = self.row(table, code)
        return row[0] if row else None


PACKAGED = Tables()
"""The tables that come with radflow, and no others."""


@cache
def packaged(table: str) -> Rows:
    """A table that comes with radflow. Raises KeyError when there is none of this name."""
    file = FOLDER / f"{table}.csv"
    if not file.is_file():
        raise KeyError(table)
    with file.open(newline="", encoding="utf-8") as lines:
        return rows(lines)


def packaged_names() -> frozenset[str]:
    """The names of the tables that come with radflow."""
    return frozenset(file.stem for file in FOLDER.glob("*.csv"))


def rows(lines: Iterable[str]) -> Rows:
    """The rows of a CSV file, its first line left out; empty lines count for nothing."""
    _, *body = csv.reader(lines)
    return {code: tuple(rest) for code, *rest in filter(None, body)}

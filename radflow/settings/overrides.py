"""Where a site says otherwise than radflow's own code tables (`mappings/tables/*.csv`), code by code.

A file of the same name in `deployments/sites/<site>/tables` has the rows that the site wants to be different,
or to have in addition. Other files there are tables that the site file names.
"""

import csv
from pathlib import Path

from mappings.tables import FOLDER, Rows, Tables, packaged, packaged_names
from radflow.settings.base import Problem
from radflow.settings.csv_files import read_csv

_FREE = frozenset({"coding-systems", "laterality"})
"""Tables that lead to any code. All others lead to what radflow acts upon, and to nothing else."""


def read_overrides(folder: Path, named: set[str]) -> tuple[Tables, list[Problem]]:
    """Read a site's folder of tables.

    Args:
        named: files in it that the site file names.

    Returns:
        radflow's tables as the site has them; and what is wrong with the files.
    """
    overrides: dict[str, Rows] = {}
    problems: list[Problem] = []
    for file in sorted(folder.glob("*.csv")):
        if file.stem in packaged_names():
            overrides[file.stem], wrong = _read(file)
            problems += wrong
        elif file.name not in named:
            says = "Nothing uses this table: name it in a [[tables]] of the site file, or remove it."
            problems.append(Problem(str(file), 0, "", says))
    return Tables(overrides), problems


def _read(file: Path) -> tuple[Rows, list[Problem]]:
    columns, rows, problems = read_csv(file)
    expected = _columns_of(file.stem)
    if not columns:
        return {}, problems
    if columns != expected:
        return {}, [Problem(str(file), 1, "", f"The columns of this table are {','.join(expected)}.")]
    found: dict[str, tuple[str, ...]] = {}
    lines: dict[str, int] = {}
    for line, (code, *becomes) in rows:
        if code in lines:
            says = f"The code is there already, on line {lines[code]}."
            problems.append(Problem(str(file), line, columns[0], says))
        lines.setdefault(code, line)
        problems += [Problem(str(file), line, *wrong) for wrong in _wrong_in(file.stem, columns[1:], becomes)]
        found[code] = tuple(becomes)
    return found, problems


def _wrong_in(table: str, columns: list[str], becomes: list[str]) -> list[tuple[str, str]]:
    if table in _FREE:
        return [
            (name, "The value is empty.") for name, value in zip(columns, becomes, strict=True) if not value
        ]
    known = list(zip(*packaged(table).values(), strict=True))
    return [
        (name, f"The value is none of {', '.join(sorted(set(values)))}.")
        for name, value, values in zip(columns, becomes, known, strict=True)
        if value not in values
    ]


def _columns_of(table: str) -> list[str]:
    with (FOLDER / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file))

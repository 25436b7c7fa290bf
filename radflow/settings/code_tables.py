"""Code tables of a site: `deployments/sites/<site>/tables/*.csv`, UTF-8, a code a line.

The header is `from,to`, and for coded fields (CE, CWE) also `display` and `system`.
"""

from pathlib import Path

from mappings.rules.known_codes import why_unknown
from mappings.rules.paths import place
from radflow.settings.base import Problem
from radflow.settings.csv_files import read_csv

REQUIRED = ("from", "to")
OPTIONAL = ("display", "system")

Codes = dict[str, dict[str, str]]


def read_codes(file: Path, paths: tuple[str, ...]) -> tuple[Codes, list[Problem]]:
    """Read a table.

    Args:
        paths: the HL7 paths that it translates, which may demand certain codes.

    Returns:
        the codes by what is sent, as `CodeTable.codes` takes them; and what is wrong with the file.
    """
    columns, rows, problems = read_csv(file)
    problems += _problems_of_header(file, columns) if columns else []
    if not set(REQUIRED) <= set(columns):
        return {}, problems
    codes: Codes = {}
    lines: dict[str, int] = {}
    for line, row in rows:
        values = dict(zip(columns, row, strict=True))
        problems += [Problem(str(file), line, key, says) for key, says in _wrong_in(values, paths, lines)]
        sent = values.pop("from")
        lines.setdefault(sent, line)
        codes[sent] = values
    return codes, problems


def stands_in_coded_field(path: str) -> bool:
    """Whether a text and a coding system may follow: CE-1 and CE-4 of a field, not of a subcomponent."""
    return place(path).component in (1, 4) and place(path).subcomponent == 1


def _problems_of_header(file: Path, columns: list[str]) -> list[Problem]:
    missing = [name for name in REQUIRED if name not in columns]
    unknown = [name for name in columns if name not in REQUIRED + OPTIONAL]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    known = f"columns are {', '.join(REQUIRED)} and optionally {', '.join(OPTIONAL)}"
    return [
        *(Problem(str(file), 1, name, f"The column is missing; {known}.") for name in missing),
        *(Problem(str(file), 1, name, f"The column is unknown; {known}.") for name in unknown),
        *(Problem(str(file), 1, name, "The column is there twice.") for name in twice),
    ]


def _wrong_in(values: dict[str, str], paths: tuple[str, ...], lines: dict[str, int]) -> list[tuple[str, str]]:
    wrong = [(name, "The value is empty.") for name in REQUIRED if not values[name]]
    if values["from"] in lines:
        wrong.append(("from", f"The code is there already, on line {lines[values['from']]}."))
    unknown = (why_unknown(path, values["to"]) for path in paths if values["to"])
    wrong += [("to", reason) for reason in unknown if reason]
    told = [name for name in OPTIONAL if values.get(name)]
    wrong += [
        (name, f"{path} has no text and coding system of its own beside it: they follow components 1 and 4.")
        for path in paths
        for name in told
        if not stands_in_coded_field(path)
    ]
    return wrong

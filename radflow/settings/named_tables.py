"""The tables that a site file names: their files' codes are put where the file names them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mappings.rules.paths import place
from radflow.settings.base import Problem
from radflow.settings.code_tables import read_codes
from radflow.settings.references import Wrong
from radflow.settings.toml_lines import Location


@dataclass
class NamedTables:
    """What came of reading them."""

    files: set[str] = field(default_factory=set)
    """As the site file names them."""
    unreadable: set[Location] = field(default_factory=set)
    """Tables whose file has been complained of already."""
    wrong: list[Wrong] = field(default_factory=list)
    """What is wrong in the site file itself."""
    problems: list[Problem] = field(default_factory=list)
    """What is wrong in the tables' files."""


def fill_tables(content: dict[str, Any], folder: Path) -> NamedTables:
    """Set `codes` of each `[[tables]]` that names a file.

    Args:
        content: of a site file, as tomllib gives it, and not yet validated: what does not look like a table
            is left alone here.
        folder: where the files are.
    """
    named = NamedTables()
    tables = content.get("tables")
    for number, table in enumerate(tables if isinstance(tables, list) else []):
        if isinstance(table, dict) and isinstance(table.get("file"), str) and table["file"]:
            _fill(number, table, folder, named)
    return named


def _fill(number: int, table: dict[str, Any], folder: Path, named: NamedTables) -> None:
    at: Location = ("tables", number)
    named.files.add(table["file"])
    if "codes" in table:
        named.wrong.append(Wrong((*at, "codes"), "A table has either a file or codes, not both."))
    file, table["codes"] = folder / table["file"], {}
    if file.is_file():
        codes, problems = read_codes(file, _paths_of(table))
        table["codes"] = {} if problems else codes
        named.problems += problems
    else:
        problems = []
        named.wrong.append(Wrong((*at, "file"), f"There is no {file}."))
    if problems or not file.is_file():
        named.unreadable.add(at)


def _paths_of(table: dict[str, Any]) -> tuple[str, ...]:
    path = table.get("path")
    paths = path if isinstance(path, list) else [path]
    return tuple(one for one in paths if isinstance(one, str) and _is_path(one))


def _is_path(text: str) -> bool:
    try:
        place(text)
    except ValueError:
        return False
    return True

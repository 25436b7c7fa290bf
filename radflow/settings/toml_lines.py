"""On which line of a TOML file a key stands: tomllib reads values and forgets where they were.

tomllib stays the one that knows TOML: each statement of the text is read by it alone, and what comes out
tells its keys. A key inside a value of several lines is on the line where its statement begins.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

Location = tuple[str | int, ...]
"""A key's way down the file: names, and numbers of array elements from 0."""

_STATEMENT_IS_HEADER = re.compile(r"\s*\[")


class KeyLines:
    """The lines of the keys of one file."""

    def __init__(self, text: str) -> None:
        """Read the text of a file that is valid TOML."""
        self._lines: dict[Location, int] = {}
        self._elements: dict[Location, int] = {}
        table: Location = ()
        for number, statement in _statements(text):
            if _STATEMENT_IS_HEADER.match(statement):
                table = self._enter(tomllib.loads(statement))
                self._note(table, number)
            else:
                for key in _keys(tomllib.loads(statement)):
                    self._note(table + key, number)

    def line(self, location: Location) -> int:
        """The line of the key; of what is missing, the line of the table that it is missing in; else 0."""
        for length in range(len(location), 0, -1):
            if location[:length] in self._lines:
                return self._lines[location[:length]]
        return 0

    def _note(self, location: Location, number: int) -> None:
        for length in range(1, len(location) + 1):
            self._lines.setdefault(location[:length], number)

    def _enter(self, header: dict[str, Any]) -> Location:
        """The location of a table from its header alone, which is read as `{"a": {"b": {}}}` or `[{}]`."""
        location: Location = ()
        inside: Any = header
        while inside:
            ((name, inside),) = inside.items()
            location = (*location, name)
            if isinstance(inside, list):
                self._elements[location] = self._elements.get(location, -1) + 1
                inside = inside[0]
            if location in self._elements:
                location = (*location, self._elements[location])
        return location


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header and each key with its value, and the line on which it begins."""
    begun, statement = 0, ""
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if not statement and not line.partition("#")[0].strip():
            continue
        begun = begun if statement else number
        statement += line
        if _is_whole(statement):
            yield begun, statement
            statement = ""


def _is_whole(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _keys(value: Any) -> Iterator[Location]:
    """Every key in a value, those of tables and arrays inside it too."""
    if isinstance(value, dict):
        pairs: Any = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    else:
        return
    for name, inside in pairs:
        yield (name,)
        for key in _keys(inside):
            yield (name, *key)

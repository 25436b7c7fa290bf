"""Reading a CSV file of a site: UTF-8, a header, rows as wide as it, and where each of them stands."""

import csv
from pathlib import Path

from radflow.settings.base import Problem

Row = tuple[int, list[str]]
"""The line on which a row stands, and its values."""


def read_csv(file: Path) -> tuple[list[str], list[Row], list[Problem]]:
    """The columns, the rows that have a value for each, and what is wrong with the file."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            reader = csv.reader(opened, strict=True)
            columns = [name.strip() for name in next(reader, [])]
            rows = [(reader.line_num, [value.strip() for value in row]) for row in reader if row]
    except UnicodeDecodeError:
        return [], [], [Problem(str(file), 0, "", "The file is not UTF-8.")]
    except csv.Error as error:
        return [], [], [Problem(str(file), 0, "", f"The file is no CSV: {error}.")]
    except OSError as error:
        return [], [], [Problem(str(file), 0, "", f"The file cannot be read: {error.strerror}.")]
    if not columns:
        return [], [], [Problem(str(file), 0, "", "The file is empty: its first line names the columns.")]
    uneven = [
        Problem(str(file), line, "", f"The row has {len(row)} values, the header {len(columns)} columns.")
        for line, row in rows
        if len(row) != len(columns)
    ]
    return columns, [(line, row) for line, row in rows if len(row) == len(columns)], uneven

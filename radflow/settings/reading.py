"""Reading a site file and the tables it names: all that is wrong with them is found at once."""

import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mappings.tables import Tables
from radflow.settings.base import Problem, SiteFileError
from radflow.settings.named_tables import fill_tables
from radflow.settings.overrides import read_overrides
from radflow.settings.references import Wrong, wrong_references
from radflow.settings.site import Site
from radflow.settings.toml_lines import KeyLines, Location

_WHERE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")
"""How tomllib says it, at the end of its text."""


def read_site(file: Path) -> Site:
    """Read one site file.

    Raises:
        SiteFileError: it is not TOML; a key is missing, unknown or has a wrong value; or it and its tables do
            not fit together.
    """
    read = SiteFile(file)
    if read.site is None or read.problems:
        raise SiteFileError(read.problems)
    return read.site


def read_sites(folder: Path) -> dict[str, Site]:
    """Every site of a folder, by its name.

    Raises:
        SiteFileError: as `read_site` does, for all of the files together; or two sites have one name.
    """
    files = [SiteFile(file) for file in sorted(folder.glob("*.toml"))]
    if problems := [problem for file in files for problem in file.problems] + names_used_twice(files):
        raise SiteFileError(problems)
    return {file.site.name: file.site for file in files if file.site}


def names_used_twice(files: list["SiteFile"]) -> list[Problem]:
    """Sites that have the name of an earlier one."""
    first: dict[str, SiteFile] = {}
    problems: list[Problem] = []
    for file in files:
        if file.site and first.setdefault(file.site.name, file) is not file:
            reason = f"{first[file.site.name].path} is the site {file.site.name!r} already."
            problems.append(file.problem(("name",), reason))
    return problems


class SiteFile:
    """A site file that has been read: the site, and everything that is wrong with its files."""

    def __init__(self, path: Path) -> None:
        """Read the file and its tables. `site` is None where too much is wrong to make any."""
        self.path = path
        self.site: Site | None = None
        self.problems: list[Problem] = []
        self._lines = KeyLines("")
        text = self._text()
        if text is not None:
            self._lines = KeyLines(text)
            self._read({"name": path.stem} | tomllib.loads(text))

    def problem(self, location: Location, reason: str) -> Problem:
        """A problem with a key of the file."""
        return Problem(str(self.path), self._lines.line(location), spelled(location), reason)

    def _text(self) -> str | None:
        """The file's text, if it is TOML."""
        try:
            text = self.path.read_text(encoding="utf-8")
            tomllib.loads(text)
        except OSError as error:
            self._whole_file(f"The file cannot be read: {error.strerror}.")
        except UnicodeDecodeError:
            self._whole_file("The file is not UTF-8.")
        except tomllib.TOMLDecodeError as error:
            at, says = _WHERE.search(str(error)), _WHERE.sub("", str(error))
            line = int(at[1]) if at and at[1] else len(text.splitlines())
            self._whole_file(f"Not valid TOML: {says}.", line)
        else:
            return text
        return None

    def _whole_file(self, reason: str, line: int = 0) -> None:
        self.problems.append(Problem(str(self.path), line, "", reason))

    def _read(self, content: dict[str, Any]) -> None:
        folder = self.path.parent / self.path.stem / "tables"
        named = fill_tables(content, folder)
        own, problems = read_overrides(folder, named.files)
        self.problems += [self.problem(*wrong) for wrong in named.wrong] + named.problems + problems
        broken = self._validate(content, own)
        if self.site is None:
            return
        for location, reason in wrong_references(self.site):
            if location not in named.unreadable and not _hangs_on(location, broken):
                self.problems.append(self.problem(location, reason))

    def _validate(self, content: dict[str, Any], own: Tables) -> set[Any]:
        """Make the site; returns the sections that are wrong.

        What is right is made into a site all the same, and looked at: nobody mends a file ten times.
        """
        try:
            self.site = Site.model_validate(content).with_code_tables(own)
        except ValidationError as error:
            wrong = [_wrong(details, content) for details in error.errors(include_url=False)]
            self.problems += [self.problem(*one) for one in wrong]
            broken = {one.location[0] for one in wrong if one.location}
            self.site = _site_of_the_rest(content, broken)
            return broken
        return set()


def spelled(location: Location) -> str:
    """`("routes", 0, "to")` as `routes[0].to`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def _wrong(error: Any, content: dict[str, Any]) -> Wrong:
    """A validation error at the key that the file has. pydantic's location also names the kinds it tried."""
    location: Location = ()
    value: Any = content
    for part in error["loc"]:
        in_table = isinstance(value, dict) and part in value
        if in_table or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            value, location = value[part], (*location, part)
        elif error["type"] == "missing" and part == error["loc"][-1]:
            location = (*location, part)
    return Wrong(location, _in_words(error))


def _in_words(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "There is no such key."
    if error["type"] == "missing":
        return "The key is missing."
    if error["type"] == "tuple_type":
        return "A list is wanted, or one value."
    message = str(error["msg"]).removeprefix("Value error, ").replace(" after validation", "").rstrip(".")
    return f"{message[:1].upper()}{message[1:]}."


def _site_of_the_rest(content: dict[str, Any], broken: set[Any]) -> Site | None:
    kept = {name: value for name, value in content.items() if name not in broken}
    try:
        return Site.model_validate({"name": "unnamed"} | kept)
    except ValidationError:
        return None


def _hangs_on(location: Location, broken: set[Any]) -> bool:
    """Whether a reference is only wrong because another section could not be read."""
    names = {"routes": "destinations", "image_routes": "archives", "prefetch": "archives"}
    return location[0] in broken or names.get(str(location[0])) in broken

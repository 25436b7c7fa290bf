"""What every part of a site file is made of."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

LOOPBACK = "127.0.0.1"

AeTitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[!-\[\]-~]([ -\[\]-~]*[!-\[\]-~])?$")]
"""A DICOM AE title: 16 ASCII characters at most, no backslash, no blanks around it (PS3.5 table 6.2-1)."""


class ConfigError(ValueError):
    """A site file or an environment variable is wrong; the text names the file, the key and the mend."""


class Problem(NamedTuple):
    """Something that is wrong in a site's files, and where."""

    file: str
    line: int
    """Counted from 1; 0 where the whole file is meant."""
    key: str
    """As in `routes[0].to`; of a table the column. Empty where the whole file is meant."""
    reason: str
    """What is wrong and how to mend it. Never a value that may be secret."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (where, self.key, self.reason) if part)


class SiteFileError(ConfigError):
    """Site files are wrong; the text is a line for each problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Service(Section):
    """Something of ours that listens. No two of them have one port: `radflow check-config` looks."""

    host: str = LOOPBACK
    port: int

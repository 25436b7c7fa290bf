"""When a rule holds: HL7 paths and the values they must have. There is no more to this language.

    when = { "MSH-9" = "ORM^O01", "MSH-4" = ["NORTH", "SOUTH*"], not = { "PV1-2" = "E" } }

Every path has to match (and); a list matches if one of its values does (or); `*`, `?` and `[…]` are wildcards
and case matters; `""` matches what is not sent. `not` holds when the condition in it does not.
"""

from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from mappings.hl7.reader import Hl7Message
from mappings.rules.paths import FieldPath, values


def as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Patterns = Annotated[tuple[str, ...], BeforeValidator(as_list), Field(min_length=1)]
"""One value, or a list of values of which one is enough."""


class Condition(BaseModel):
    """What a message has to be like. An empty condition holds for every message."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[FieldPath, Patterns]
    unless: "Condition | None" = Field(None, alias="not")

    def holds(self, message: Hl7Message) -> bool:
        """Whether the message is like that."""
        if self.unless is not None and self.unless.holds(message):
            return False
        return all(_matches(message, path, patterns) for path, patterns in self.__pydantic_extra__.items())


EVERY_MESSAGE = Condition.model_validate({})


def _matches(message: Hl7Message, path: str, patterns: tuple[str, ...]) -> bool:
    found = tuple(values(message, path)) or ("",)
    return any(fnmatchcase(value, pattern) for value in found for pattern in patterns)

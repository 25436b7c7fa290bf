"""A site's code tables: a code as it is sent, and the code that radflow and its receivers know."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.reader import Delimiters, Repetition
from mappings.rules.conditions import EVERY_MESSAGE, Condition, as_list
from mappings.rules.fields import with_component, with_repetitions, with_subcomponent
from mappings.rules.paths import FieldPath, place
from mappings.rules.verdicts import Name
from radflow.model import Value

_READ_BEFORE = frozenset({1, 2, 9, 10, 12, 18})
"""Fields of MSH that say how and whether a message is read: translating them would come too late."""


class Code(Value):
    """What a code becomes: of a CE or CWE also its text and coding system, where they are given."""

    to: Name
    display: str = ""
    system: str = ""


def _as_code(value: Any) -> Any:
    return {"to": value} if isinstance(value, str) else value


def _translatable(path: str) -> str:
    segment, field, *_ = place(path)
    if segment == "MSH" and field in _READ_BEFORE:
        raise ValueError(f"{path} says how the message is read and cannot be translated")
    return path


TranslatablePath = Annotated[FieldPath, AfterValidator(_translatable)]
Paths = Annotated[tuple[TranslatablePath, ...], BeforeValidator(as_list), Field(min_length=1)]


class CodeTable(Value):
    """`[[tables]]` of a site file."""

    name: Name
    path: Paths
    """Where the code stands, as `OBR-4.1` or `OBR-24`; every repetition of every such segment."""
    when: Condition = EVERY_MESSAGE
    file: str = ""
    """CSV in the site's folder of tables, with columns from, to and, for CE and CWE, display and system."""
    codes: Mapping[str, Annotated[Code, BeforeValidator(_as_code)]] = {}
    """The table itself, where it is too short for a file: `{ "CTC" = "CTCHEST" }`."""
    unknown: Literal["keep", "reject"] = "keep"
    """What is done with a code that is not in the table."""


def translated(line: list[str], delimiters: Delimiters, table: CodeTable) -> list[str]:
    """The segment with the codes of this table translated.

    Raises:
        NotTakable: a code is not in the table, and the table rejects such codes.
    """
    for path in table.path:
        if place(path).segment == line[0]:
            line = _translated_at(line, path, delimiters, table)
    return line


def _translated_at(line: list[str], path: str, delimiters: Delimiters, table: CodeTable) -> list[str]:
    def change(raws: list[str]) -> list[str]:
        return [_translated(raw, path, delimiters, table) for raw in raws]

    return with_repetitions(line, place(path).field, delimiters, change)


def _translated(raw: str, path: str, delimiters: Delimiters, table: CodeTable) -> str:
    segment, field, component, subcomponent = place(path)
    sent = Repetition(raw, delimiters).get(component, subcomponent).strip()
    if not sent:
        return raw
    code = table.codes.get(sent)
    if code is None:
        if table.unknown == "reject":
            raise NotTakable(
                ErrorCode.TABLE_VALUE_NOT_FOUND, f"{segment}^1^{field}",
                f"{path}: the code is not in the site's table {table.name!r}. Add it, then replay this.",
            )  # fmt: skip
        return raw
    raw = with_subcomponent(raw, component, subcomponent, code.to, delimiters)
    # CE and CWE: identifier, text, coding system; the alternate ones are components 4 to 6.
    for offset, value in ((1, code.display), (2, code.system)):
        if value:
            raw = with_component(raw, component + offset, value, delimiters)
    return raw

"""HL7 paths as a site's rules write them: `PV1-2`, `OBR-4.1`, `OBR-32.1.2`."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from mappings.hl7.acceptance import message_type
from mappings.hl7.reader import Hl7Message

_PATH = re.compile(r"([A-Z][A-Z0-9]{2})-([1-9]\d{0,2})(?:\.([1-9]\d{0,2}))?(?:\.([1-9]\d{0,2}))?")


class Place(NamedTuple):
    """Where a value stands in a message; numbers count from 1, as HL7's own."""

    segment: str
    field: int
    component: int = 1
    subcomponent: int = 1


@lru_cache(maxsize=1024)
def place(path: str) -> Place:
    """The place that a path names; a component or subcomponent left out is the first.

    Raises:
        ValueError: it is no HL7 path.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise ValueError(f"{path!r} is no HL7 path such as PV1-2, OBR-4.1 or OBR-32.1.2")
    segment, *numbers = match.groups()
    return Place(segment, *(int(number) for number in numbers if number))


def _checked(path: str) -> str:
    place(path)
    return path


FieldPath = Annotated[str, AfterValidator(_checked)]
"""A path that names a place."""


def values(message: Hl7Message, path: str) -> Iterator[str]:
    """Every value at the path: in each such segment, in each repetition. None is empty.

    MSH-9 is the type and the trigger event, `ORM^O01`, as radflow names it everywhere.
    """
    if path == "MSH-9":
        yield message_type(message)
        return
    segment, _, component, subcomponent = place(path)
    for one in message.each(segment):
        for repetition in one.repetitions(path):
            if value := repetition.get(component, subcomponent):
                yield value

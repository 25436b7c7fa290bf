"""What happens on a planned day, and when."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from radflow.simulators.day.plan import Planned, Twist


class Deed(StrEnum):
    """What somebody outside radflow does."""

    ORDER = "order"
    CHANGE = "change"
    CANCEL = "cancel"
    MERGE = "merge"
    MAKE = "make"
    REPORT = "report"
    CONFIRM = "confirm"
    CORRECT = "correct"


@dataclass(frozen=True, order=True)
class Happening:
    """A deed of the day, in the order of time."""

    at: datetime
    number: str
    deed: Deed


def script(exams: Iterable[Planned]) -> list[Happening]:
    """All that happens, in the order of time."""
    return sorted(happening for one in exams for happening in _happenings(one))


def _happenings(one: Planned) -> Iterator[Happening]:
    yield Happening(one.ordered_at, one.number, Deed.ORDER)
    if Twist.CHANGED in one.twists:
        yield Happening(one.twisted_at, one.number, Deed.CHANGE)
    if Twist.MERGED in one.twists:
        yield Happening(one.twisted_at, one.number, Deed.MERGE)
    if Twist.CANCELLED in one.twists:
        yield Happening(one.twisted_at, one.number, Deed.CANCEL)
    if not one.is_made:
        return
    yield Happening(one.made_at, one.number, Deed.MAKE)
    yield Happening(one.reported_at, one.number, Deed.REPORT)
    if Twist.FROM_THE_CONSOLE in one.twists:
        yield Happening(one.confirmed_at, one.number, Deed.CONFIRM)
    if Twist.CORRECTED in one.twists:
        yield Happening(one.corrected_at, one.number, Deed.CORRECT)

"""What a hospital's day holds: exams, and what happens to some of them. The same seed gives the same day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from radflow.simulators.ehr import EXAMS, Exam, Person

_FIRST = ("Ada", "Bjørn", "Chidi", "Deniz", "Élise", "Farida", "Georg", "Hélène", "Ines", "João", "Lucía")
_LAST = ("Abel", "Çelik", "Dubois", "Ørsted", "Fernández", "Grün", "Ito", "Kaya", "López", "Müller", "Nowak")


class Twist(StrEnum):
    """What happens to an exam beside its being ordered, made and reported."""

    CHANGED = "changed"
    """XO before it is made: another time."""
    CANCELLED = "cancelled"
    """CA before it is made."""
    GROUPED = "grouped"
    """Made together with the exam that precedes it, as one study (IHE RAD TF-1 §3.3.2, group case)."""
    MERGED = "merged"
    """Ordered under another number of the patient, which is merged later (ADT^A40)."""
    MISTYPED = "mistyped"
    """The technologist types an accession number that is no order's; the study has the worklist's UID."""
    FROM_THE_CONSOLE = "from-the-console"
    """The worklist is not used: no accession number, a UID of the modality's own. A person confirms."""
    CORRECTED = "corrected"
    """The report is corrected after it was final."""


SHARES: dict[Twist, float] = {
    Twist.CHANGED: 0.10,
    Twist.CANCELLED: 0.05,
    Twist.GROUPED: 0.07,
    Twist.MERGED: 0.01,
    Twist.MISTYPED: 0.01,
    Twist.FROM_THE_CONSOLE: 0.01,
    Twist.CORRECTED: 0.03,
}
"""Of all orders, how many have it. Mistyped and from-the-console are together the 2 % of wrong accessions."""

_OF_ONE_ALONE = frozenset({Twist.MISTYPED, Twist.FROM_THE_CONSOLE, Twist.CANCELLED, Twist.MERGED})
"""Neither with another twist, nor where the next exam joins this one."""


@dataclass(frozen=True)
class Planned:
    """An exam of the day. Times are aware."""

    number: str
    """Placer order number (ORC-2)."""
    patient: Person
    exam: Exam
    ordered_at: datetime
    scheduled_at: datetime
    twists: frozenset[Twist] = field(default_factory=frozenset)
    known_as: str = ""
    """The patient's number on the order, where it is one that is merged later (MRG-1)."""
    leader: str = ""
    """Of a grouped exam: the number of the one with which it is made."""

    @property
    def is_made(self) -> bool:
        """Whether it gets images of its own."""
        return not self.twists & {Twist.CANCELLED, Twist.GROUPED}

    @property
    def rescheduled_at(self) -> datetime:
        """When it is to be made, after its change."""
        return self.scheduled_at + timedelta(minutes=30 if Twist.CHANGED in self.twists else 0)

    @property
    def made_at(self) -> datetime:
        return self.rescheduled_at + timedelta(minutes=10)

    @property
    def reported_at(self) -> datetime:
        return self.made_at + timedelta(minutes=90)

    @property
    def corrected_at(self) -> datetime:
        return self.reported_at + timedelta(minutes=60)

    @property
    def confirmed_at(self) -> datetime:
        """When a person looks at what no rule may link."""
        return self.reported_at + timedelta(minutes=30)

    @property
    def twisted_at(self) -> datetime:
        """When the order is changed, cancelled or its patient's numbers are merged."""
        return self.ordered_at + (self.scheduled_at - self.ordered_at) / 2


def plan(count: int, morning: datetime, seed: int = 1) -> list[Planned]:
    """The exams of a day, in the order in which they are ordered.

    Args:
        count: how many orders, 20 at least; the shares of `SHARES` are met to the order, rounded, and there
            is one of each.
        morning: six o'clock of the day, in the site's zone.
    """
    random = Random(seed)  # noqa: S311 -- a plan, not a secret
    exams = list(_undisturbed(count, morning, random))
    for twist, share in SHARES.items():
        wanted = max(1, round(count * share))
        for index in random.sample([n for n, one in enumerate(exams) if _may_have(twist, n, exams)], wanted):
            exams[index] = replace(exams[index], twists=exams[index].twists | {twist})
    return [_settled(exams, index) for index in range(count)]


def _undisturbed(count: int, morning: datetime, random: Random) -> Iterator[Planned]:
    """One patient an exam."""
    at = morning
    for index in range(count):
        at += timedelta(hours=9) / count
        number = f"{100_000 + index}"
        name = f"{random.choice(_LAST)}^{random.choice(_FIRST)}"
        born = f"{random.randint(1935, 2015)}{random.randint(1, 12):02}{random.randint(1, 28):02}"
        waits = timedelta(minutes=random.randint(45, 240))
        yield Planned(
            number=f"D{index:05}",
            patient=Person(number, name, born, random.choice("FM")),
            exam=random.choice(EXAMS),
            ordered_at=at,
            scheduled_at=at + waits,
        )


def _may_have(twist: Twist, index: int, exams: Sequence[Planned]) -> bool:
    """Twists that would hide each other are not put on one exam."""
    mine = exams[index].twists
    if twist is Twist.GROUPED:
        # Every second exam may join the one before it, which then has to be an ordinary one.
        return index % 2 == 1 and not mine and not exams[index - 1].twists
    if twist in _OF_ONE_ALONE:
        follows = exams[index + 1].twists if index + 1 < len(exams) else frozenset()
        return not mine and Twist.GROUPED not in follows
    return not mine


def _settled(exams: Sequence[Planned], index: int) -> Planned:
    """What follows from the twists: a grouped exam is of the patient, kind and time of the one before it."""
    one = exams[index]
    if Twist.GROUPED in one.twists:
        leader = exams[index - 1]
        return replace(
            one,
            patient=leader.patient,
            exam=leader.exam,
            scheduled_at=leader.scheduled_at,
            leader=leader.number,
        )
    if Twist.MERGED in one.twists:
        return replace(one, known_as=f"T{one.patient.number}")
    return one

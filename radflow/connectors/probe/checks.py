"""What a probe says: its checks, and the lines of the site file that follow from them."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, Protocol

from radflow.connectors.archive import ArchiveClient, ArchiveUnavailable
from radflow.model import Study

Answer = Literal["yes", "no", "unknown"]

_WINDOWS = (1, 7, 31, 366, 3660)
"""Days back in which examples are looked for: no more studies are asked for than are needed."""
_FAKE_UID = "2.25.1"
"""Of no study. Long lists are filled with UIDs under it."""


@dataclass(frozen=True)
class Check:
    """One thing that was found out."""

    name: str
    answer: Answer
    detail: str = ""
    """In words, free of patient data."""


@dataclass
class Report:
    """What is known of an archive after it was asked."""

    checks: list[Check] = field(default_factory=list)
    lines: dict[str, str | int | bool] = field(default_factory=dict)
    """Keys of its `[[archives]]` section, and the values that suit it."""

    def add(self, name: str, answer: Answer | bool, detail: str = "") -> bool:
        """Note a check; returns whether the answer is yes."""
        said: Answer = answer if isinstance(answer, str) else "yes" if answer else "no"
        self.checks.append(Check(name, said, detail))
        return said == "yes"

    @contextmanager
    def check(self, name: str) -> Iterator[None]:
        """A check that is answered with no where the archive does not answer at all."""
        try:
            yield
        except ArchiveUnavailable as error:
            self.add(name, "no", str(error))

    def answer(self, name: str) -> Answer:
        return next((check.answer for check in self.checks if check.name == name), "unknown")

    @property
    def toml(self) -> str:
        """The lines, as the site file has them."""
        return "\n".join(f"{key} = {json.dumps(value)}" for key, value in self.lines.items())


class Prober(ArchiveClient, Protocol):
    """A client that asks more freely than a sweep does."""

    def uids_by_uid(self, uids: Sequence[str]) -> list[str]:
        """Study Instance UIDs of what a list of them finds."""
        ...

    def accessions_by_accession(self, numbers: Sequence[str]) -> list[str]:
        """Accession numbers of what a list of them finds."""
        ...


def examples_of(client: ArchiveClient, today: date) -> list[Study]:
    """Two or more studies of the archive, the newest it has; fewer where it has no more.

    Raises:
        ArchiveUnavailable: it does not answer.
    """
    found: list[Study] = []
    for days in _WINDOWS:
        found = client.find_period(today - timedelta(days=days), today + timedelta(days=1))
        if len({study.study_instance_uid for study in found}) > 1:
            break
    # The smallest are counted fastest.
    return sorted(found, key=lambda study: study.number_of_instances or 0)[:50]


def check_ways(
    report: Report, client: Prober, examples: Sequence[Study], lengths: Sequence[int], present: str
) -> None:
    """In which ways all that is waited for can be asked for at once, and how long a list may be."""
    check_dates(report, client, examples)
    uids = [study.study_instance_uid for study in examples]
    lists = check_list(report, "uid-list", client.uids_by_uid, uids)
    accessions = [study.accession_number for study in examples]
    check_list(report, "accession-list", client.accessions_by_accession, accessions)
    report.lines["find_by"] = find_by(report, present)
    if lists and (longest := longest_list(client.uids_by_uid, uids[0], lengths)):
        report.lines["longest_list"] = longest


def check_dates(report: Report, client: ArchiveClient, examples: Sequence[Study]) -> bool:
    """Whether a range of days finds what is of these days, and nothing of any other."""
    with report.check("date-range"):
        long_ago = date(1850, 1, 1)
        if client.find_period(long_ago, long_ago + timedelta(days=1)):
            return report.add("date-range", "no", "it answers with studies of other days too")
        return report.add("date-range", "yes" if examples else "unknown")
    return False


def check_list(
    report: Report, name: str, ask: Callable[[Sequence[str]], Sequence[str]], values: Sequence[str]
) -> bool:
    """Whether a list of values finds what has one of them, and nothing else."""
    wanted = sorted({value for value in values if value})[:2]
    if not wanted:
        return report.add(name, "unknown", "no study to ask for")
    with report.check(name):
        found = set(ask(wanted if len(wanted) > 1 else [*wanted, _FAKE_UID]))
        if found == set(wanted):
            return report.add(name, "yes")
        reason = (
            "it answers with other studies too" if found - set(wanted) else "it finds not all of the list"
        )
        return report.add(name, "no", reason)
    return False


def longest_list(
    ask: Callable[[Sequence[str]], Sequence[str]], value: str, lengths: Sequence[int]
) -> int | None:
    """The longest of these lists of UIDs that still finds the study; None where none does."""
    for length in lengths:
        try:
            if value in ask([*(f"{_FAKE_UID}.{number}" for number in range(1, length)), value]):
                return length
        except ArchiveUnavailable:
            continue
    return None


def check_counts(report: Report, client: ArchiveClient, example: Study) -> bool:
    """Whether the counts at study level are told, and are those of the series and instances it shows."""
    if example.number_of_instances is None:
        return report.add("counts", "no", "radflow counts series and instances by itself")
    with report.check("counts"):
        counted = client.count(example.study_instance_uid)
        told = (example.number_of_series, example.number_of_instances)
        right = told == (counted.series, counted.instances)
        return report.add("counts", right, "" if right else "they are not those of its series and instances")
    return False


def find_by(report: Report, present: str) -> str:
    """The way to ask for all that is waited for; the present one where nothing could be found out."""
    ways = [way for way in ("uid-list", "accession-list", "date-range") if report.answer(way) == "yes"]
    return next(iter(ways), present)

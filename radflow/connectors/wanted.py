"""Studies that are looked for in an archive: how to ask for all of them at once, and what is one of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from radflow.connectors.errors import Unavailable
from radflow.model import Study


class ArchiveUnavailable(Unavailable):
    """The archive could not be reached, or has not answered the query."""


@dataclass(frozen=True)
class Wanted:
    """A study that is looked for, by its UID or its accession number."""

    study_instance_uid: str
    accession_number: str
    since: date
    """The first day on which its images may have been made."""


@dataclass(frozen=True)
class Counts:
    """What a study has, counted by radflow because its archive does not tell."""

    series: int
    instances: int


ECHO_SECONDS = 5.0
"""How long an archive may take to say that it is there."""


Keys = dict[str, list[str]]
"""Matching keys of one query: keyword → values."""


def keys_for(wanted: Sequence[Wanted], today: date, find_by: str, longest_list: int) -> Keys:
    """The keys of one query that finds all of them; a list that is too long becomes a range of dates."""
    lists: Keys = {
        "StudyInstanceUID": _distinct(one.study_instance_uid for one in wanted),
        "AccessionNumber": _distinct(one.accession_number for one in wanted),
    }
    keyword = {"uid-list": "StudyInstanceUID", "accession-list": "AccessionNumber"}.get(find_by)
    if keyword and 0 < len(lists[keyword]) <= longest_list:
        return {keyword: lists[keyword]}
    # The archive's day may have begun already, or the modality's clock be ahead.
    return {"StudyDate": [period(min(one.since for one in wanted), today + timedelta(days=1))]}


def period(first: date, last: date) -> str:
    """A range of DA, both days in it (PS3.4 §C.2.2.2.5.1)."""
    return f"{first:%Y%m%d}-{last:%Y%m%d}"


def only_wanted(found: Iterable[Study], wanted: Sequence[Wanted]) -> list[Study]:
    """Those that are looked for: a range of dates finds everybody's studies."""
    uids = {one.study_instance_uid for one in wanted} - {""}
    accession_numbers = {one.accession_number for one in wanted} - {""}
    return [
        study
        for study in found
        if study.study_instance_uid in uids or study.accession_number in accession_numbers
    ]


def without_counts(study: Study) -> Study:
    """As of an archive that does not tell how many series and instances a study has, or tells it wrongly."""
    return study.model_copy(update={"number_of_series": None, "number_of_instances": None})


def _distinct(values: Iterable[str]) -> list[str]:
    return sorted(set(values) - {""})

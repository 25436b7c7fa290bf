"""Looking again at studies that were found: have images been added, has the study moved, is it gone?"""

from collections.abc import Sequence

from sqlmodel import Session

from radflow.connectors.archive import ArchiveUnavailable, Wanted, open_archive
from radflow.model import Study
from radflow.settings import ConfigError
from radflow.store import studies
from radflow.store.tables import StudyRow
from tasks.look import Look
from tasks.waiting_for_images import RECENTLY

_MOST_BY_DATES = 5000
"""Studies looked at by one query for a range of dates."""


def to_look_at(session: Session, look: Look) -> list[StudyRow]:
    """The archive's studies whose time has come, as many as one query asks for."""
    most = look.archive.longest_list if _lists_uids(look) else _MOST_BY_DATES
    return studies.to_recheck(session, look.site.name, look.archive.name, look.now, most)


def look_again(look: Look, rows: Sequence[StudyRow]) -> None:
    """Ask for all of them at once.

    Raises:
        ArchiveUnavailable: the archive does not answer; nothing is missed by that.
    """
    client = look.client if _lists_uids(look) else look.asked_by("date-range")
    found = {
        study.study_instance_uid: study
        for study in client.find_studies([_wanted(look, row) for row in rows], look.today)
    }
    for row in rows:
        study = found.get(row.study_instance_uid)
        if study:
            look.note(row.order_key, look.counted(study))
        elif look.notes.missed(row.order_key, row.study_instance_uid):
            _look_elsewhere(look, row)


def _look_elsewhere(look: Look, row: StudyRow) -> None:
    """Moved or deleted? As long as one of the other archives does not answer, nobody knows."""
    for archive in look.site.archives:
        if archive.name == look.archive.name:
            continue
        try:
            client = open_archive(archive.model_copy(update={"find_by": "uid-list"}), look.site.zone)
            found = client.find_studies([_wanted(look, row)], look.today)
        except (ArchiveUnavailable, ConfigError):
            return
        if found:
            look.note(row.order_key, found[0], moved=True)
            return
    if look.notes.gone(row.order_key, row.study_instance_uid):
        look.searched.found.append(row.order_key)


def _wanted(look: Look, row: StudyRow) -> Wanted:
    started = Study.model_validate(row.document).started or row.found_at
    return Wanted(row.study_instance_uid, "", look.day_of(started) - RECENTLY)


def _lists_uids(look: Look) -> bool:
    return look.archive.find_by == "uid-list"

"""Looking for the images of orders that wait for them: one query, however many wait."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlmodel import Session

from radflow.connectors.archive import Wanted
from radflow.model import Study
from radflow.order import AWAITING_IMAGES
from radflow.store import archives, candidates, patients, studies
from radflow.store.performed_orders import performed_in
from radflow.store.studies import Awaited
from radflow.store.tables import ArchiveState, StudyRow
from tasks.look import Look
from tasks.matching import Owners, candidates_of

BEFORE_THE_ORDER = timedelta(days=1)
"""Emergency images may be older than their order."""
RECENTLY = timedelta(days=1)
"""Images that come are of today or yesterday; older ones are found by the thorough search."""


def waiting_for(session: Session, look: Look, already_shown: Sequence[str]) -> list[Awaited]:
    """The orders to look for here; those that an earlier archive has shown only where the site wants all."""
    if look.site.finding.found_in == "all":
        return studies.awaited(session, look.site.name, already_shown)
    shown = set(already_shown)
    return [one for one in studies.awaited(session, look.site.name) if one.key not in shown]


def is_thorough_due(look: Look, state: ArchiveState) -> bool:
    """Whether every study is to be looked at: now and then, and once the archive is there again."""
    every = timedelta(minutes=look.site.finding.thorough_minutes)
    return not state.searched_at or bool(state.failures) or look.now - state.searched_at >= every


def look_for(look: Look, waiting: Sequence[Awaited]) -> None:
    """Ask for all of them, as the site file says.

    Raises:
        ArchiveUnavailable: the archive does not answer; nothing has changed.
    """
    recent = look.today - RECENTLY
    wanted = [Wanted(one.study_instance_uid, one.accession_number, recent) for one in waiting]
    _take(look, look.client.find_studies(wanted, look.today))


def look_through(look: Look, waiting: Sequence[Awaited]) -> None:
    """Look at every study of the days in question: what has other numbers than its order is proposed.

    Raises:
        ArchiveUnavailable: the archive does not answer; nothing has changed.
    """
    since = look.day_of(waiting[0].created_at) - BEFORE_THE_ORDER
    first = max(since, look.today - timedelta(days=look.site.finding.look_back_days))
    found = look.client.find_period(min(first, look.today - RECENTLY), look.today + timedelta(days=1))
    _propose(look, _take(look, found))


def look_up(look: Look, uids: Sequence[str]) -> None:
    """Look for these studies alone.

    Raises:
        ArchiveUnavailable: the archive does not answer; nothing has changed.
    """
    client, length = look.asked_by("uid-list"), look.archive.longest_list
    for start in range(0, len(uids), length):
        wanted = [Wanted(uid, "", look.today) for uid in uids[start : start + length]]
        _propose(look, _take(look, client.find_studies(wanted, look.today)))


def _take(look: Look, found: Iterable[Study]) -> list[Study]:
    """Note what is an order's; returns what is nobody's."""
    shown = list({study.study_instance_uid: study for study in found if study.study_instance_uid}.values())
    with look.store.read() as session:
        uids = [study.study_instance_uid for study in shown]
        # Sites may share an archive, and use one accession number for two orders.
        others = studies.of_other_sites(session, look.site.name, uids)
        shown = [study for study in shown if study.study_instance_uid not in others]
        performed = performed_in(session, look.site.name, uids)
        rows = studies.orders_by_number(session, look.site.name, shown)
        names = patients.names_of(session, {row.patient_id for row in rows})
        owners = Owners(rows, performed, names, accession_alone=look.site.finding.accession_alone)
        owned = [(study, its) for study in shown if (its := owners.of(study))]
        noted = studies.of_uids(session, [study.study_instance_uid for study, _ in owned])
        away = _archives_away(session, look)
    known = {(row.order_key, row.study_instance_uid): row for row in noted}
    for study, its in owned:
        for order in its:
            row = known.get((order.key, study.study_instance_uid))
            if order.state in AWAITING_IMAGES:
                # Only a quiet time needs counts here; what is published is counted when it is described.
                counted = look.counted(study) if look.site.finding.quiet_minutes else study
                look.note(order.key, counted, moved=row is not None and row.archive in away)
            elif row is None or _has_changed(row, study):
                look.note(order.key, study)
    somebodys = {study.study_instance_uid for study, _ in owned}
    nobodys = [study for study in shown if study.study_instance_uid not in somebodys]
    in_doubt = ((order, study) for study in nobodys for order in owners.numbered(study))
    _ask(look, [(order.key, study) for order, study in in_doubt if order.state in AWAITING_IMAGES])
    return nobodys


def _has_changed(row: StudyRow, study: Study) -> bool:
    return row.archive == study.archive and studies.differs(row, study)


def _archives_away(session: Session, look: Look) -> set[str]:
    """Archives whose word on images that are arriving counts no more, since they do not answer."""
    states = [archives.look(session, look.site.name, archive.name) for archive in look.site.archives]
    return {state.name for state in states if state.failures}


def _propose(look: Look, nobodys: Sequence[Study]) -> None:
    """Propose a study to a person where it may be an order's by patient, modality and day."""
    if not look.site.finding.candidates:
        return
    patient_ids = sorted({study.patient_id for study in nobodys} - {""})
    with look.store.read() as session:
        of_patients = candidates.orders_of_patients(session, look.site.name, patient_ids)
    proposals: list[tuple[str, Study]] = []
    for study in nobodys:
        orders = list(candidates_of(study, of_patients, look.site.zone))
        if orders and not study.modalities:
            # A legacy archive tells Modality (0008,0060) of series only.
            study = look.client.describe(study.study_instance_uid) or study
            orders = list(candidates_of(study, of_patients, look.site.zone))
        proposals += [(order.key, study) for order in orders]
    _ask(look, proposals)


def _ask(look: Look, proposals: Sequence[tuple[str, Study]]) -> None:
    if proposals:
        with look.store.write() as session:
            for order_key, study in proposals:
                candidates.propose(session, order_key, study, look.now)

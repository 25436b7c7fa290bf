"""Ask one archive for the images of all orders that wait for them: one query, however many wait."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from radflow.clock import utc_now
from radflow.connectors.archive import Wanted, open_archive
from radflow.model import Study
from radflow.order import Event, NotAllowed
from radflow.settings import settings
from radflow.store import orders, studies
from radflow.store.engine import store
from radflow.store.tables import OrderRow

BEFORE_THE_ORDER = timedelta(days=1)
"""Emergency images may be older than their order."""


@task(name="search_archive", cache_policy=NO_CACHE)
def search_archive(site_name: str, archive_name: str) -> list[str]:
    """Note the studies found; returns the keys of the orders they belong to.

    Raises:
        ArchiveUnavailable: the archive does not answer; nothing has changed, the next sweep asks again.
    """
    site, now = settings().site(site_name), utc_now()
    with store().read() as session:
        waiting = orders.outstanding(session, site_name)
    if not waiting:
        return []
    today = now.astimezone(site.zone).date()
    wanted = [_wanted(row, row.created_at.astimezone(site.zone).date()) for row in waiting]
    found = open_archive(site.archive(archive_name), site.zone).find_studies(wanted, today)
    return [row.key for row, study in _matched(waiting, found) if _note(row.key, study, now)]


def _wanted(row: OrderRow, ordered: date) -> Wanted:
    return Wanted(row.study_instance_uid, row.accession_number, ordered - BEFORE_THE_ORDER)


def _matched(waiting: Iterable[OrderRow], found: Iterable[Study]) -> Iterable[tuple[OrderRow, Study]]:
    """By Study Instance UID, else by accession number; never by anything else."""
    by_uid = {study.study_instance_uid: study for study in found}
    by_accession = {study.accession_number: study for study in by_uid.values() if study.accession_number}
    for row in waiting:
        study = by_uid.get(row.study_instance_uid) or by_accession.get(row.accession_number)
        if study:
            yield row, study


def _note(order_key: str, study: Study, now: datetime) -> bool:
    source = f"archive:{study.archive}"
    try:
        with store().write() as session:
            studies.save(session, order_key, study, now)
            orders.record(session, order_key, Event.STUDY_FOUND, source=source, occurred_at=now, now=now)
    except NotAllowed:
        # Another archive was quicker, or the order was cancelled meanwhile.
        return False
    return True

"""import-studies: an item is a day of an archive."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from sqlmodel import Session

from radflow.clock import utc_now
from radflow.connectors.archive import ArchiveClient, open_archive
from radflow.model import Study
from radflow.settings import Site, settings
from radflow.store import studies
from radflow.store.backfills import Outcome
from radflow.store.engine import store
from radflow.store.tables import HistoricStudyRow
from radflow.store.warehouse import day_of
from tasks.backfill.parameters import ImportStudies
from tasks.finding import search_for
from tasks.noting import no_mpps
from tasks.warehouse import held_in_time, rewrite_day


def plan(_session: Session, what: ImportStudies, after: str, limit: int) -> Sequence[str]:
    first = date.fromisoformat(after) + timedelta(days=1) if after else what.since
    days = min(limit, (what.until - first).days + 1)
    return [(first + timedelta(days=number)).isoformat() for number in range(days)]


def do(what: ImportStudies, item: str) -> Outcome:
    """Note an order's studies as the sweep would, keep the others, and write their days in the warehouse."""
    site, day, now = settings().site(what.site), date.fromisoformat(item), utc_now()
    client = open_archive(site.archive(what.archive), site.zone)
    found = client.find_period(day, day)
    of_orders = _of_orders(site, found)
    if of_orders:
        search_for(store(), site, what.archive, now, no_mpps, sorted(of_orders))
    historic = [study for study in found if study.study_instance_uid not in of_orders]
    days = _keep(site, _described(client, historic), day, now)
    for written in sorted(days):
        with held_in_time(site, written) as partition:
            rewrite_day(partition)
    return Outcome(detail={"of_orders": len(of_orders), "historic": len(historic)})


def _of_orders(site: Site, found: Sequence[Study]) -> set[str]:
    """UIDs of those that are an order's, by UID or accession number."""
    with store().read() as session:
        rows = studies.orders_by_number(session, site.name, found)
        linked = {row.study_instance_uid for row in studies.of_uids(session, _uids(found))}
    uids = {row.study_instance_uid for row in rows} | linked
    accession_numbers = {row.accession_number for row in rows} - {""}
    return {
        study.study_instance_uid
        for study in found
        if study.study_instance_uid in uids or study.accession_number in accession_numbers
    }


def _uids(found: Sequence[Study]) -> list[str]:
    return [study.study_instance_uid for study in found]


def _described(client: ArchiveClient, found: Iterable[Study]) -> Iterable[Study]:
    """One at a time, with series and instances where the archive still has it."""
    for study in found:
        yield client.describe(study.study_instance_uid) or study


def _keep(site: Site, found: Iterable[Study], asked: date, now: datetime) -> set[date]:
    """Keep them; the days on which they were made."""
    days = set()
    for study in found:
        day = day_of(study.started) if study.started else asked
        with store().write() as session:
            row = session.get(HistoricStudyRow, (site.name, study.study_instance_uid))
            if row and row.day != day:
                days.add(row.day)
            row = row or HistoricStudyRow(
                site=site.name, study_instance_uid=study.study_instance_uid, archive="", day=day,
                document={}, imported_at=now,
            )  # fmt: skip
            row.archive, row.day, row.imported_at = study.archive, day, now
            row.document = study.model_dump(mode="json")
            session.add(row)
        days.add(day)
    return days

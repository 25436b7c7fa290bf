"""Studies that archives have shown for an order: what each has, if it is complete, when to look again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, or_, select

from radflow.model import Study
from radflow.order import AWAITING_IMAGES, State
from radflow.store.tables import OrderRow, StudyRow

_PER_QUERY = 500
"""Values in one IN list."""
_SEARCHED = (
    "archive", "accession_number", "patient_id", "description", "modalities", "number_of_series",
    "number_of_instances", "available",
)  # fmt: skip
"""What a search says of a study. Its start is not among it: the time zone is in the description alone."""


@dataclass(frozen=True)
class Awaited:
    """An order whose images no archive has shown completely."""

    key: str
    study_instance_uid: str
    accession_number: str
    created_at: datetime


def awaited(session: Session, site: str, also: Sequence[str] = ()) -> list[Awaited]:
    """The orders of a site that wait for images, oldest first: four columns of each, however many wait.

    Args:
        also: keys of further orders, whatever their state.
    """
    waits = col(OrderRow.state).in_(AWAITING_IMAGES)
    query = (
        select(OrderRow.key, OrderRow.study_instance_uid, OrderRow.accession_number, OrderRow.created_at)
        .where(OrderRow.site == site, or_(waits, col(OrderRow.key).in_(also)) if also else waits)
        .order_by(col(OrderRow.created_at))
    )
    return [Awaited(*row) for row in session.exec(query)]


def orders_by_number(session: Session, site: str, found: Sequence[Study]) -> list[OrderRow]:
    """The orders that have the UID or the accession number of one of these studies; no cancelled ones."""
    rows: dict[str, OrderRow] = {}
    numbers = (
        (OrderRow.study_instance_uid, sorted({study.study_instance_uid for study in found})),
        (OrderRow.accession_number, sorted({study.accession_number for study in found} - {""})),
    )
    for column, values in numbers:
        for start in range(0, len(values), _PER_QUERY):
            query = select(OrderRow).where(
                OrderRow.site == site,
                col(column).in_(values[start : start + _PER_QUERY]),
                OrderRow.state != State.CANCELLED,
            )
            rows |= {row.key: row for row in session.exec(query)}
    return list(rows.values())


def of_other_sites(session: Session, site: str, uids: Sequence[str]) -> set[str]:
    """Those of the Study Instance UIDs that orders of other sites have, and none of this one."""
    sites: dict[str, set[str]] = {}
    for start in range(0, len(uids), _PER_QUERY):
        query = select(OrderRow.study_instance_uid, OrderRow.site).where(
            col(OrderRow.study_instance_uid).in_(uids[start : start + _PER_QUERY])
        )
        for uid, its in session.exec(query):
            sites.setdefault(uid, set()).add(its)
    return {uid for uid, its in sites.items() if site not in its}


def save(session: Session, order_key: str, study: Study, now: datetime) -> StudyRow:
    """Keep what the archive says of the order's study; a later word replaces an earlier one.

    What is saved is the study as it is published, with its series: it is complete as far as is known. A study
    that is seen for the first time without being searched for is complete from then on.
    """
    row = find(session, order_key, study.study_instance_uid)
    if row is None:
        row = _new(order_key, study, now)
        row.complete_at = now
    row.archive, row.document = study.archive, study.model_dump(mode="json")
    _count(row, study)
    session.add(row)
    return row


def see(session: Session, order_key: str, study: Study, now: datetime) -> StudyRow:
    """Note that an archive shows the study, and how much of it; what is new about it makes it incomplete.

    What is known of it beside is kept until it is asked for anew.
    """
    row = find(session, order_key, study.study_instance_uid)
    if row is None:
        row = _new(order_key, study, now)
    elif differs(row, study):
        row.changed_at, row.complete_at = now, None
    row.archive, row.misses = study.archive, 0
    row.document = _over(Study.model_validate(row.document), study).model_dump(mode="json")
    _count(row, study)
    session.add(row)
    return row


def _over(known: Study, seen: Study) -> Study:
    """What was seen over what is known: a search asks for little of a study, a description for all of it."""
    if seen.series or not known.series:
        return seen
    return known.model_copy(update={name: getattr(seen, name) for name in _SEARCHED})


def differs(row: StudyRow, study: Study) -> bool:
    """Whether it has other counts now, is in another archive, or is there again."""
    counts = [
        (row.number_of_series, study.number_of_series),
        (row.number_of_instances, study.number_of_instances),
    ]
    others = any(before != after for before, after in counts if before is not None and after is not None)
    return others or row.archive != study.archive or row.document.get("available") is False


def complete(row: StudyRow, now: datetime) -> None:
    """Take it as complete."""
    row.complete_at = now


def confirm(session: Session, order_key: str, study: Study, now: datetime) -> None:
    """Keep a study that is the order's on a person's word: complete, and looked at again at once."""
    row = see(session, order_key, study, now)
    complete(row, now)
    row.recheck_at = now


def gone(row: StudyRow, now: datetime) -> None:
    """Note that no archive has it any more."""
    row.document = {**row.document, "available": False}
    row.changed_at = row.complete_at = now


def look_again(row: StudyRow, now: datetime, every: timedelta, days: float) -> None:
    """Set when its archive is asked again: soon while images arrive or it is missed, else now and then.

    Rechecks of all studies fall on the same moments, so that one query serves them all.
    """
    if row.complete_at is None or row.misses:
        row.recheck_at = now
        return
    seconds = every.total_seconds()
    turn = datetime.fromtimestamp((now.timestamp() // seconds + 1) * seconds, tz=now.tzinfo)
    row.recheck_at = turn if turn <= row.found_at + timedelta(days=days) else None


def to_recheck(session: Session, site: str, archive: str, now: datetime, limit: int) -> list[StudyRow]:
    """Studies of orders that have images already whose time to be looked at again has come."""
    query = (
        select(StudyRow)
        .join(OrderRow)
        .where(
            col(StudyRow.recheck_at) <= now, StudyRow.archive == archive, OrderRow.site == site,
            col(OrderRow.state).not_in({*AWAITING_IMAGES, State.CANCELLED}),
        )
        .order_by(col(StudyRow.recheck_at), col(StudyRow.id))
        .limit(limit)
    )  # fmt: skip
    return list(session.exec(query))


def find(session: Session, order_key: str, study_instance_uid: str) -> StudyRow | None:
    """The order's study of this UID."""
    query = select(StudyRow).where(
        StudyRow.order_key == order_key, StudyRow.study_instance_uid == study_instance_uid
    )
    return session.exec(query).one_or_none()


def of_uids(session: Session, uids: Sequence[str]) -> list[StudyRow]:
    """Every order's studies of these UIDs."""
    rows: list[StudyRow] = []
    for start in range(0, len(uids), _PER_QUERY):
        chunk = uids[start : start + _PER_QUERY]
        rows += session.exec(select(StudyRow).where(col(StudyRow.study_instance_uid).in_(chunk)))
    return rows


def orders_in(session: Session, site: str, archive: str, states: Sequence[State]) -> list[str]:
    """The orders in these states that have a study in the archive."""
    query = (
        select(OrderRow.key)
        .join(StudyRow)
        .where(OrderRow.site == site, StudyRow.archive == archive, col(OrderRow.state).in_(states))
    )
    return sorted(set(session.exec(query)))


def of_order(session: Session, order_key: str) -> Sequence[Study]:
    """The order's studies, first found first."""
    query = select(StudyRow).where(StudyRow.order_key == order_key).order_by(StudyRow.id)  # type: ignore[arg-type]
    return [Study.model_validate(row.document) for row in session.exec(query)]


def _new(order_key: str, study: Study, now: datetime) -> StudyRow:
    return StudyRow(
        order_key=order_key, study_instance_uid=study.study_instance_uid, archive=study.archive,
        found_at=now, document=study.model_dump(mode="json"), changed_at=now,
    )  # fmt: skip


def _count(row: StudyRow, study: Study) -> None:
    """What the archive tells goes before what was counted in its answer."""
    series = len(study.series) or None
    instances = sum(len(one.instances) for one in study.series) or None
    row.number_of_series = _first(study.number_of_series, series, row.number_of_series)
    row.number_of_instances = _first(study.number_of_instances, instances, row.number_of_instances)


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)

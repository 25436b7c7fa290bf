"""The ledger of studies that are moved: what is to be moved, by whom it is being moved, and how far it came.

A killed mover's studies go on where they stopped, once its lease is over.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, exists, func, or_, text, update
from sqlmodel import Session, col, select

from radflow.model import Study
from radflow.store.tables import OrderRow, StudyRow, TransferItem, TransferRow


class TransferState(StrEnum):
    """How far the copy of a study is."""

    WAITING = "waiting"
    DONE = "done"
    """The target shows every instance that the source has."""
    FAILED = "failed"
    """A person is asked; nothing is tried any more."""


class ItemState(StrEnum):
    """How far an instance is."""

    WAITING = "waiting"
    SENT = "sent"
    """The target has acknowledged it."""
    PRESENT = "present"
    """The target had it already: it was not sent."""
    FAILED = "failed"


class MoverLost(Exception):
    """The lease ended, and another mover works on the study: this one stops."""


def add(
    session: Session, site: str, studies: Iterable[str], *, source: str, target: str, why: str, now: datetime
) -> int:
    """Ask for studies to be copied; returns how many are new or begin anew. One that is under way goes on."""
    added = 0
    for uid in dict.fromkeys(studies):
        row = session.exec(
            select(TransferRow).where(
                TransferRow.site == site, TransferRow.study_instance_uid == uid,
                TransferRow.source == source, TransferRow.target == target,
            )
        ).one_or_none()  # fmt: skip
        if row is None:
            row = TransferRow(
                site=site, study_instance_uid=uid, source=source, target=target, why=why,
                state=TransferState.WAITING, created_at=now, next_try_at=now,
            )  # fmt: skip
        elif row.state == TransferState.WAITING:
            continue
        session.add(_afresh(row, now))
        added += 1
    return added


def claim(
    session: Session, site: str, *, mover: str, limits: Mapping[str, int], now: datetime, lease: timedelta,
    avoid: Iterable[tuple[str, str]] = (),
) -> TransferRow | None:  # fmt: skip
    """The next study that may be moved now, leased to this mover; None when there is none.

    Args:
        limits: name of a target → how many studies may be moved there at once, by all movers together.
        avoid: source and target between which nothing is to be moved now.
    """
    if session.get_bind().dialect.name == "postgresql":
        # Two movers that count at once would both find room. On SQLite a writer is alone.
        session.exec(select(func.pg_advisory_xact_lock(text("hashtext('radflow.transfers')"))))
    here = (TransferRow.site == site, TransferRow.state == TransferState.WAITING)
    busy = dict(
        session.exec(
            select(TransferRow.target, func.count())
            .where(*here, TransferRow.leased_by != "", TransferRow.next_try_at > now)
            .group_by(TransferRow.target)
        ).all()
    )
    free = [target for target, limit in limits.items() if busy.get(target, 0) < limit]
    query = (
        select(TransferRow)
        .where(*here, TransferRow.next_try_at <= now, col(TransferRow.target).in_(free))
        .where(
            *(
                or_(col(TransferRow.source) != source, col(TransferRow.target) != target)
                for source, target in avoid
            )
        )
        .order_by(col(TransferRow.id))
        .limit(1)
    )
    row = session.exec(query).first()
    if row:
        row.leased_by, row.next_try_at, row.attempts = mover, now + lease, row.attempts + 1
        session.add(row)
    return row


def list_items(
    session: Session,
    transfer_id: int,
    mover: str,
    items: Sequence[TransferItem],
    now: datetime,
    lease: timedelta,
) -> None:
    """Keep what the source has of the study, in place of what it had before.

    Raises:
        MoverLost: see `note`.
    """
    row = _held(session, transfer_id, mover)
    session.execute(delete(TransferItem).where(col(TransferItem.transfer_id) == transfer_id))
    session.add_all(items)
    row.expected, row.next_try_at = len(items), now + lease
    session.add(row)


def items_of(session: Session, transfer_id: int) -> Sequence[TransferItem]:
    """The instances of a transfer, by series."""
    query = (
        select(TransferItem)
        .where(TransferItem.transfer_id == transfer_id)
        .order_by(TransferItem.series_instance_uid, TransferItem.sop_instance_uid)
    )
    return session.exec(query).all()


def note(
    session: Session, transfer_id: int, mover: str, outcomes: Mapping[str, tuple[ItemState, str]],
    now: datetime, lease: timedelta,
) -> None:  # fmt: skip
    """Keep what became of instances (SOP Instance UID → state and reason), and renew the lease.

    Raises:
        MoverLost: another mover has taken the study over, or a person has begun it anew.
    """
    row = _held(session, transfer_id, mover)
    for uid, (state, reason) in outcomes.items():
        session.execute(
            update(TransferItem)
            .where(col(TransferItem.transfer_id) == transfer_id, col(TransferItem.sop_instance_uid) == uid)
            .values(state=state, reason=reason)
        )
    row.sent += sum(state == ItemState.SENT for state, _ in outcomes.values())
    row.next_try_at = now + lease
    session.add(row)


def finish(
    session: Session, transfer_id: int, mover: str, state: TransferState, *, trouble: str = "", now: datetime,
    again_at: datetime | None = None,
) -> None:  # fmt: skip
    """Let go of the study: it is there, or a person is asked, or it is tried again at `again_at`.

    Raises:
        MoverLost: see `note`.
    """
    row = _held(session, transfer_id, mover)
    row.state, row.trouble, row.leased_by = state, trouble, ""
    row.next_try_at = again_at or now
    row.finished_at = None if state == TransferState.WAITING else now
    session.add(row)
    if state == TransferState.DONE:
        session.execute(delete(TransferItem).where(col(TransferItem.transfer_id) == transfer_id))


def retry(session: Session, site: str, now: datetime, studies: Iterable[str] | None = None) -> int:
    """Try failed studies again from now on: these, or all of the site's; returns how many."""
    query = select(TransferRow).where(TransferRow.site == site, TransferRow.state == TransferState.FAILED)
    if studies is not None:
        query = query.where(col(TransferRow.study_instance_uid).in_(list(studies)))
    rows = session.exec(query).all()
    session.add_all(_afresh(row, now) for row in rows)
    return len(rows)


def found_not_moved(session: Session, site: str, source: str, target: str) -> Sequence[Study]:
    """Complete studies of the site's orders that are in the source, and not at the target as they are now.

    One that was moved before images were added is among them. What the target has of it is not sent again.
    """
    asked = exists().where(
        col(TransferRow.site) == site, col(TransferRow.source) == source, col(TransferRow.target) == target,
        col(TransferRow.study_instance_uid) == col(StudyRow.study_instance_uid),
        or_(
            col(TransferRow.state) != TransferState.DONE,
            col(TransferRow.finished_at) >= col(StudyRow.complete_at),
        ),
    )  # fmt: skip
    query = (
        select(StudyRow.document)
        .join(OrderRow, col(OrderRow.key) == col(StudyRow.order_key))
        .where(
            OrderRow.site == site, StudyRow.archive == source, col(StudyRow.complete_at).is_not(None), ~asked
        )
        .order_by(col(StudyRow.id))
    )
    return [Study.model_validate(document) for document in session.exec(query)]


def summary(session: Session, site: str) -> dict[tuple[str, str, str], int]:
    """(source, target, state) → how many studies of the site."""
    query = (
        select(TransferRow.source, TransferRow.target, TransferRow.state, func.count())
        .where(TransferRow.site == site)
        .group_by(TransferRow.source, TransferRow.target, TransferRow.state)
    )
    return {(source, target, state): count for source, target, state, count in session.exec(query)}


def recent(session: Session, site: str, states: Sequence[str], limit: int) -> Sequence[TransferRow]:
    """The site's transfers in these states, newest first."""
    query = (
        select(TransferRow)
        .where(TransferRow.site == site, col(TransferRow.state).in_(states))
        .order_by(col(TransferRow.id).desc())
        .limit(limit)
    )
    return session.exec(query).all()


def failed_items(session: Session, transfer_id: int) -> Sequence[TransferItem]:
    """The instances that are not there, each with its reason."""
    return [item for item in items_of(session, transfer_id) if item.state == ItemState.FAILED]


def _afresh(row: TransferRow, now: datetime) -> TransferRow:
    row.state, row.next_try_at, row.leased_by = TransferState.WAITING, now, ""
    row.attempts, row.sent, row.trouble, row.finished_at = 0, 0, "", None
    return row


def _held(session: Session, transfer_id: int, mover: str) -> TransferRow:
    row = session.get_one(TransferRow, transfer_id)
    if row.leased_by != mover:
        raise MoverLost(f"transfer {transfer_id} is not held by {mover} any more")
    return row

"""The ledger of backfills: what is planned, done, failed; a cut-off one goes on from there."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlmodel import Session, col, func, insert, select, update

from radflow.store.tables import Backfill, BackfillItem


class BackfillState(StrEnum):
    """Where a backfill stands."""

    PLANNING = "planning"
    """Its items are being listed."""
    RUNNING = "running"
    INCOMPLETE = "incomplete"
    """It has come to its end, and some items have failed: they are tried again by the next run."""
    COMPLETED = "completed"


class ItemOutcome(StrEnum):
    """What has become of an item."""

    PENDING = "pending"
    DONE = "done"
    CHANGED = "changed"
    """Done, and it is other than before; in a dry run: it would be."""
    SKIPPED = "skipped"
    """There is nothing to do, and the detail says why."""
    FAILED = "failed"


class BackfillBusy(RuntimeError):
    """Another run works on the same backfill."""


@dataclass(frozen=True)
class Outcome:
    """What has become of one item."""

    state: ItemOutcome = ItemOutcome.DONE
    detail: dict[str, Any] = field(default_factory=dict)
    """In numbers and words free of patient data."""


def begin(
    session: Session, kind: str, parameters: dict[str, Any], *, holder: str, now: datetime, lease: timedelta
) -> Backfill:
    """The backfill of these parameters that is not completed, or a new one; what had failed is pending again.

    Raises:
        BackfillBusy: a run that is alive works on it.
    """
    unfinished = select(Backfill).where(Backfill.kind == kind, Backfill.state != BackfillState.COMPLETED)
    rows = session.exec(unfinished.order_by(col(Backfill.id)).with_for_update()).all()
    row = next((row for row in rows if row.parameters == parameters), None)
    if row is None:
        row = Backfill(kind=kind, parameters=parameters, state=BackfillState.PLANNING, created_at=now)
    elif row.leased_by not in ("", holder) and row.leased_until and row.leased_until > now:
        raise BackfillBusy(
            f"Backfill {row.id} is being worked on; if its run was killed, it is free at "
            f"{row.leased_until:%H:%M:%S} UTC."
        )
    row.leased_by, row.leased_until = holder, now + lease
    if row.state == BackfillState.INCOMPLETE:
        row.state, row.finished_at = BackfillState.RUNNING, None
        failed = (
            col(BackfillItem.backfill_id) == row.id, col(BackfillItem.state) == ItemOutcome.FAILED,
        )  # fmt: skip
        session.exec(update(BackfillItem).where(*failed).values(state=ItemOutcome.PENDING))
    session.add(row)
    session.flush()
    return row


def renew(session: Session, backfill_id: int, *, holder: str, now: datetime, lease: timedelta) -> None:
    """Say that the run is alive. Raises BackfillBusy when another one has taken over."""
    row = session.get_one(Backfill, backfill_id, with_for_update=True)
    if row.leased_by != holder:
        raise BackfillBusy(f"Another run has taken backfill {backfill_id} over.")
    row.leased_until = now + lease
    session.add(row)


def let_go(session: Session, backfill_id: int, holder: str) -> None:
    """Let another run go on with it at once."""
    row = session.get_one(Backfill, backfill_id, with_for_update=True)
    if row.leased_by == holder:
        row.leased_by, row.leased_until = "", None
        session.add(row)


def plan(session: Session, backfill_id: int, items: Sequence[str]) -> None:
    """Add items to it; without any, the plan is complete."""
    row = session.get_one(Backfill, backfill_id, with_for_update=True)
    if items:
        row.planned = items[-1]
        values = [
            {"backfill_id": backfill_id, "item": item, "state": ItemOutcome.PENDING, "detail": {}}
            for item in items
        ]
        session.exec(insert(BackfillItem), params=values)
    else:
        row.state = BackfillState.RUNNING
    session.add(row)


def pending(session: Session, backfill_id: int, limit: int) -> list[tuple[int, str]]:
    """The next items that are to be done: their ids and what they are."""
    query = select(BackfillItem.id, BackfillItem.item).where(
        BackfillItem.backfill_id == backfill_id, BackfillItem.state == ItemOutcome.PENDING
    )
    found = session.exec(query.order_by(col(BackfillItem.id)).limit(limit))
    return [(id_ or 0, item) for id_, item in found]


def note(session: Session, item_id: int, outcome: Outcome) -> None:
    """Keep what has become of an item."""
    row = session.get_one(BackfillItem, item_id)
    row.state, row.detail = outcome.state, outcome.detail
    session.add(row)


def finish(session: Session, backfill_id: int, now: datetime) -> BackfillState:
    """Note that every item was tried."""
    row = session.get_one(Backfill, backfill_id, with_for_update=True)
    failed = counts(session, backfill_id)[ItemOutcome.FAILED]
    row.state, row.finished_at = BackfillState.INCOMPLETE if failed else BackfillState.COMPLETED, now
    session.add(row)
    return BackfillState(row.state)


def counts(session: Session, backfill_id: int) -> Counter[str]:
    """How many items there are of each outcome."""
    query = select(BackfillItem.state, func.count()).where(BackfillItem.backfill_id == backfill_id)
    return Counter(dict(session.exec(query.group_by(BackfillItem.state)).all()))


def items(
    session: Session, backfill_id: int, states: Collection[ItemOutcome], limit: int
) -> Sequence[BackfillItem]:
    """Items of these outcomes, first planned first."""
    query = select(BackfillItem).where(
        BackfillItem.backfill_id == backfill_id, col(BackfillItem.state).in_(states)
    )
    return session.exec(query.order_by(col(BackfillItem.id)).limit(limit)).all()


def newest(session: Session, limit: int) -> Sequence[Backfill]:
    """Backfills, newest first."""
    return session.exec(select(Backfill).order_by(col(Backfill.id).desc()).limit(limit)).all()

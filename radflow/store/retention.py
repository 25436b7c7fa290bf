"""Pruning: what a site need not keep any longer goes, in small transactions that stop nobody.

What is received, waiting or in quarantine stays, and so does what still has to be sent; what belongs to an
order that is open stays, whatever its age.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, delete, func, or_, select, update
from sqlmodel.sql.expression import SelectOfScalar

from radflow.order import FINISHED
from radflow.store.engine import Store
from radflow.store.messages import LinkKind, MessageState
from radflow.store.outbox import UNSENT
from radflow.store.tables import Message, MessageLink, OrderRow, OutboxMessage, ReportRow

PRUNABLE = (MessageState.PROCESSED, MessageState.FILTERED, MessageState.REPAIRED)

BATCH = 500
"""Rows of one transaction: on SQLite the listener waits for as long as it takes."""


@dataclass
class Pruned:
    """How much has gone, or would go."""

    messages: int = 0
    outbox: int = 0


class PruneFailed(RuntimeError):
    """Pruning has stopped half-way; what has gone is gone, and the next time goes on from there."""

    def __init__(self, site: str, done: Pruned, error: Exception) -> None:
        # The error's own text may quote what was in the rows.
        super().__init__(
            f"Site {site}: pruning stopped at {type(error).__name__}, after {done.messages} messages "
            f"and {done.outbox} messages of the outbox had been removed."
        )
        self.done = done


def prune(
    store: Store,
    site: str,
    *,
    messages_days: int,
    outbox_days: int,
    now: datetime,
    batch: int = BATCH,
    dry_run: bool = False,
) -> Pruned:
    """Remove what is older than these days; 0 keeps for ever.

    A message goes with its links, and with what was passed on of it. A report or repair that came of it stays
    without it. What was sent of radflow's own goes by its own age.

    Args:
        batch: rows of one transaction.
        dry_run: only count.

    Raises:
        PruneFailed: the store has refused; tells how much has gone before.
    """
    done = Pruned()
    try:
        with store.read() as session:
            newest = session.exec(select(func.max(Message.id))).one() or 0
        steps: list[_Step] = []
        if outbox_days:
            steps.append(_Step(_outbox(site, now - timedelta(days=outbox_days)), _remove_outbox))
        if messages_days:
            old = _messages(site, now - timedelta(days=messages_days), newest)
            steps.append(_Step(old, _remove_messages))
        for step in steps:
            for gone in _counted(store, step) if dry_run else _removed(store, step, batch):
                done.messages += gone.messages
                done.outbox += gone.outbox
    except Exception as error:
        raise PruneFailed(site, done, error) from None
    return done


@dataclass(frozen=True)
class _Step:
    """What is too old, by its id, and how it goes."""

    old: SelectOfScalar[Any]
    remove: Callable[[Session, Sequence[int]], Pruned]


def _removed(store: Store, step: _Step, batch: int) -> Iterator[Pruned]:
    """Remove a batch at a time, each in its own transaction."""
    last = 0
    while True:
        with store.write() as session:
            (column,) = step.old.selected_columns
            next_ones = step.old.where(column > last).order_by(column).limit(batch)
            ids = session.exec(next_ones.with_for_update(skip_locked=True)).all()
            gone = step.remove(session, ids) if ids else None
        if gone is None:
            return
        yield gone
        last = ids[-1]


def _counted(store: Store, step: _Step) -> Iterator[Pruned]:
    with store.read() as session:
        found = session.exec(select(func.count()).select_from(step.old.subquery())).one()
        if step.remove is _remove_outbox:
            yield Pruned(outbox=found)
        else:
            passed_on = col(OutboxMessage.message_id).in_(step.old)
            outbox = session.exec(select(func.count()).select_from(OutboxMessage).where(passed_on)).one()
            yield Pruned(messages=found, outbox=outbox)


def _remove_messages(session: Session, ids: Sequence[int]) -> Pruned:
    """Remove them with what was passed on of them; their links go by themselves."""
    session.exec(update(ReportRow).where(col(ReportRow.message_id).in_(ids)).values(message_id=None))
    session.exec(update(Message).where(col(Message.repairs).in_(ids)).values(repairs=None))
    passed_on = session.exec(delete(OutboxMessage).where(col(OutboxMessage.message_id).in_(ids))).rowcount
    session.exec(delete(Message).where(col(Message.id).in_(ids)))
    return Pruned(messages=len(ids), outbox=passed_on)


def _remove_outbox(session: Session, ids: Sequence[int]) -> Pruned:
    session.exec(delete(OutboxMessage).where(col(OutboxMessage.id).in_(ids)))
    return Pruned(outbox=len(ids))


def _messages(site: str, before: datetime, newest: int) -> SelectOfScalar[Any]:
    """Messages that nobody needs any more, by id."""
    linked = (col(MessageLink.message_id) == col(Message.id), MessageLink.kind == LinkKind.ORDER)
    open_order = select(OrderRow.key).where(
        *linked, OrderRow.key == MessageLink.value, col(OrderRow.state).not_in(FINISHED)
    )
    owed = col(OutboxMessage.state).in_(UNSENT)
    owed_for_order = select(OutboxMessage.id).where(
        *linked, OutboxMessage.order_key == MessageLink.value, owed
    )
    owed_itself = select(OutboxMessage.id).where(OutboxMessage.message_id == Message.id, owed)
    repair = aliased(Message)
    repair_in_work = select(repair.id).where(repair.repairs == Message.id, col(repair.state).not_in(PRUNABLE))
    return select(Message.id).where(
        Message.site == site,
        col(Message.state).in_(PRUNABLE),
        col(Message.received_at) < before,
        or_(col(Message.processed_at).is_(None), col(Message.processed_at) < before),
        # SQLite would give the number of the newest message to the next one, and orders' logs name messages.
        col(Message.id) < newest,
        *(~needed.exists() for needed in (open_order, owed_for_order, owed_itself, repair_in_work)),
    )


def _outbox(site: str, before: datetime) -> SelectOfScalar[Any]:
    """What was sent of radflow's own, by id.

    What was passed on goes with the message that it came as: a replay of that would send it anew.
    """
    open_order = select(OrderRow.key).where(
        OrderRow.key == OutboxMessage.order_key, col(OrderRow.state).not_in(FINISHED)
    )
    return select(OutboxMessage.id).where(
        OutboxMessage.site == site,
        col(OutboxMessage.state).not_in(UNSENT),
        col(OutboxMessage.message_id).is_(None),
        func.coalesce(OutboxMessage.sent_at, OutboxMessage.created_at) < before,
        ~open_order.exists(),
    )

"""What has become of a day's orders: counted, and compared with what the plan says is true."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from radflow.order import FINISHED, State
from radflow.store.messages import MessageState
from radflow.store.tables import (
    Message,
    OrderEvent,
    OrderRow,
    OutboxMessage,
    PublicationRow,
    ReportRow,
    StudyRow,
)

Snapshot = dict[str, str]
"""An order's key → a digest of all that is known, found, published and sent of it."""


@dataclass(frozen=True)
class Outcome:
    """The end of a day. Everything right: `lost`, `duplicated`, `wrongly_linked` and `open` are 0."""

    orders: int
    published: int
    cancelled: int
    open: int
    lost: int
    """Orders without a row, and messages that were acknowledged and have no effect."""
    duplicated: int
    """Rows, live resources and messages to the EHR that are there once too often."""
    wrongly_linked: int
    """Pairs of order and study that are not true, and true ones that are missing."""


def judge(
    session: Session, numbers: Iterable[str], truth: Mapping[str, frozenset[str]], results: Sequence[str]
) -> Outcome:
    """Count and compare.

    Args:
        numbers: the placer order numbers of the plan.
        truth: placer order number → the studies that were made for it.
        results: MSH-10 of every message that the EHR has got.
    """
    rows = session.exec(select(OrderRow)).all()
    by_number = Counter(row.placer_order_number for row in rows)
    states = Counter(row.state for row in rows)
    finished = sum(states[state] for state in FINISHED)
    unheard = session.exec(
        select(func.count()).select_from(Message).where(col(Message.state).in_(_WITHOUT_EFFECT))
    ).one()
    return Outcome(
        orders=len(rows),
        published=states[State.PUBLISHED],
        cancelled=states[State.CANCELLED],
        open=len(rows) - finished,
        lost=sum(number not in by_number for number in numbers) + unheard,
        duplicated=_too_many(by_number) + _too_many(Counter(results)) + _too_many(_live_resources(session)),
        wrongly_linked=_wrong_links(session, rows, truth),
    )


_WITHOUT_EFFECT = (MessageState.RECEIVED, MessageState.WAITING, MessageState.QUARANTINED)


def _too_many(counted: Counter[str]) -> int:
    return sum(count - 1 for count in counted.values())


def _live_resources(session: Session) -> Counter[str]:
    """What there may be one of: a resource of one name at a destination, and an order's report."""
    found = session.exec(select(PublicationRow).where(PublicationRow.reference != "")).all()
    by_name = {(one.destination, one.name, one.reference) for one in found}
    reports = {
        (one.destination, one.order_key, one.name) for one in found if one.resource_type == "DiagnosticReport"
    }
    return Counter(f"{where} {what}" for where, what, _ in (*by_name, *reports))


def _wrong_links(session: Session, rows: Sequence[OrderRow], truth: Mapping[str, frozenset[str]]) -> int:
    numbers = {row.key: row.placer_order_number for row in rows}
    found = {(numbers[one.order_key], one.study_instance_uid) for one in session.exec(select(StudyRow))}
    true = {(number, uid) for number, uids in truth.items() for uid in uids}
    return len(found ^ true)


def snapshot(session: Session) -> Snapshot:
    """All orders as they are, so that two moments can be compared."""
    known: dict[str, list[object]] = {}
    for row in session.exec(select(OrderRow)):
        known[row.key] = [row.state, row.revision, row.round, row.document, row.trouble]
    for event in session.exec(select(OrderEvent).order_by(col(OrderEvent.id))):
        known[event.order_key].append([event.event, event.step, event.source])
    for study in session.exec(select(StudyRow).order_by(col(StudyRow.id))):
        known[study.order_key].append(study.document)
    for report in session.exec(select(ReportRow).order_by(col(ReportRow.id))):
        if report.order_key:
            known[report.order_key].append(report.document)
    for published in session.exec(select(PublicationRow).order_by(col(PublicationRow.id))):
        known[published.order_key].append([published.name, published.version, published.digest])
    for sent in session.exec(select(OutboxMessage).order_by(col(OutboxMessage.id))):
        if sent.order_key:
            known[sent.order_key].append([sent.destination, sent.control_id, sent.state, sent.attempts])
    return {key: _digest(facts) for key, facts in known.items()}


def changed(before: Snapshot, after: Snapshot) -> set[str]:
    """The orders that are not what they were."""
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def _digest(facts: list[object]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

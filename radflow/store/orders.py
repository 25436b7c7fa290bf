"""Orders in the store: placing them, recording events, and the handshake between a leg and those who wake it.

A wake-up cannot be lost. Whoever records news sets `wake_at`; a leg that wants to rest clears it only if
no news came since it looked (`rest`); a leg that dies leaves its lease behind as `wake_at` (`look`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, delete, or_, select

from mappings.rules.enrichment import Preference
from radflow.model import Identifier, Order, Report
from radflow.order import (
    FINISHED,
    ON_WORKLIST,
    PATIENT_EVENTS,
    SHOWS_PATIENT,
    TRANSITIONS,
    WORK_EVENTS,
    Event,
    Progress,
    State,
)
from radflow.store import patients, publications
from radflow.store.tables import OrderEvent, OrderRow, StudyRow, WorklistItem

_MOST_OF_A_GROUP = 100
SETTLING = timedelta(seconds=10)
"""How long Prefect may take to show a run as suspended after its leg has decided to rest."""


NO_SHOW = "the patient did not come (SIU^S26)"
ABANDONED = "the modality has discontinued the examination (MPPS)"
NOT_COMMITTED = "the archive has not committed all instances (storage commitment)"
PERFORMED_THOUGH_CANCELLED = "a modality performs the order though it is cancelled (MPPS)"
"""What an order shows as trouble until it is scheduled anew, or anything else becomes of it."""

_TROUBLES = {
    Event.NO_SHOW: NO_SHOW,
    Event.ACQUISITION_ABANDONED: ABANDONED,
    Event.STORAGE_COMMITMENT_FAILED: NOT_COMMITTED,
}

_KEEPING_TROUBLE = frozenset(
    {Event.STEP_COMPLETED, Event.WORKLISTED, Event.PRELIMINARY_PUBLISHED, Event.PUBLISHED}
)
"""Work that goes on does not end what news have brought, only what its own failures have."""


class UnknownOrder(LookupError):
    """There is no order of this key."""


class LegLost(RuntimeError):
    """Another leg has taken the order over; this one must stop without recording anything."""


@dataclass(frozen=True)
class Look:
    """What a leg sees of its order."""

    order: Order
    progress: Progress
    round: int
    attempts: int
    nudges: int

    @property
    def state(self) -> State:
        assert self.progress.state is not None
        return self.progress.state


def place(
    session: Session,
    order: Order,
    *,
    source: str,
    occurred_at: datetime,
    now: datetime,
    told_by: int | None = None,
    preference: Preference = "merge",
    detail: dict[str, Any] | None = None,
) -> OrderRow:
    """Store a new order, or the change of a known one; an equal order changes nothing.

    Args:
        told_by: id of the message that says so; None where none does.
        preference: what the order shows of its patient, of what it says and what is known.
        detail: facts of the event, free of patient data.

    Raises:
        NotAllowed: the order is known and can no longer change.
    """
    row = session.get(OrderRow, order.key, with_for_update=True)
    patient_id, patient = patients.of_order(
        session, order.site, order.patient, preference, told_by=told_by, now=now
    )
    document = order.model_copy(update={"patient": patient}).model_dump(mode="json")
    if row and row.document == document:
        return row
    event = Event.ORDER_CHANGED if row else Event.ORDER_RECEIVED
    row = row or OrderRow(
        key=order.key, site=order.site, created_at=now, accession_number="", study_instance_uid="",
        patient_id=0, modality="", document={}, updated_at=now, state="",
    )  # fmt: skip
    row.patient_id = patient_id
    _show(row, order, document)
    session.add(row)
    session.flush()
    append(session, row, event, source=source, occurred_at=occurred_at, now=now, detail=detail)
    return row


def amend(
    session: Session,
    row: OrderRow,
    order: Order,
    *,
    source: str,
    occurred_at: datetime,
    now: datetime,
    detail: dict[str, Any] | None = None,
) -> None:
    """Give an order what was told of it late; of one that is cancelled nothing is made of it."""
    _show(row, order, order.model_dump(mode="json"))
    row.updated_at = now
    session.add(row)
    session.flush()
    if (State(row.state), Event.ORDER_CHANGED) in TRANSITIONS:
        append(
            session, row, Event.ORDER_CHANGED, source=source, occurred_at=occurred_at, now=now, detail=detail
        )


def _show(row: OrderRow, order: Order, document: dict[str, Any]) -> None:
    row.placer_order_number = order.placer_order_number.value if order.placer_order_number else ""
    row.filler_order_number = order.filler_order_number.value if order.filler_order_number else ""
    row.accession_number = order.accession_number
    row.study_instance_uid = order.study_instance_uid
    row.modality = order.modality
    row.document = document


def record(
    session: Session,
    key: str,
    event: Event,
    *,
    source: str,
    occurred_at: datetime,
    now: datetime,
    step: str | None = None,
    detail: dict[str, Any] | None = None,
    leg: str | None = None,
    revision: int | None = None,
) -> Progress:
    """Append an event to the order's log and move its state.

    Args:
        leg: the leg that records; None for news from outside.
        revision: the one that the leg has seen. Has news come since, a step is logged and not counted as
            done, for it was done with what was known before; and nothing else is recorded.
        step: the flow step that was completed or has failed.
        detail: facts of the event, free of patient data.

    Raises:
        UnknownOrder: no such order.
        NotAllowed: the transition table has no such pair.
        LegLost: another leg works on the order.
    """
    row = locked(session, key)
    if leg is not None and row.leg != leg:
        raise LegLost(key)
    overtaken = revision is not None and revision != row.revision
    if overtaken and step is None:
        return progress_of(row)
    return append(
        session, row, event, source=source, occurred_at=occurred_at, now=now, step=step, detail=detail,
        counts=not overtaken,
    )  # fmt: skip


def append(
    session: Session,
    row: OrderRow,
    event: Event,
    *,
    source: str,
    occurred_at: datetime,
    now: datetime,
    step: str | None = None,
    detail: dict[str, Any] | None = None,
    counts: bool = True,
) -> Progress:
    """Append an event to the log of an order that is locked for this transaction, and move its state.

    Args:
        counts: whether the step is done by it.

    Raises:
        NotAllowed: the transition table has no such pair.
    """
    before = progress_of(row)
    after = before.after(event, step if counts else None)
    assert after.state is not None
    session.add(
        OrderEvent(
            order_key=row.key, event=event, step=step, occurred_at=occurred_at, source=source,
            detail=detail or {},
        )
    )  # fmt: skip
    row.state, row.steps_done, row.revision = after.state, sorted(after.steps_done), after.revision
    row.updated_at = now
    if event is Event.STEP_FAILED:
        row.attempts += 1
        row.trouble = str((detail or {}).get("reason", ""))
    elif event in _TROUBLES:
        row.attempts, row.trouble = 0, _TROUBLES[event]
    elif event is Event.STEP_STARTED and after.state is State.CANCELLED:
        row.trouble = PERFORMED_THOUGH_CANCELLED
    elif event not in WORK_EVENTS and before.only_notes(event):
        # What a step that fails has left stays until it is done.
        pass
    elif row.attempts or event not in _KEEPING_TROUBLE:
        row.attempts, row.trouble = 0, ""
    if _wakes(event, before, after) or (
        # What was published of an order that waits follows its patient too.
        event in PATIENT_EVENTS and after.state not in FINISHED and publications.any_of(session, row.key)
    ):
        row.wake_at = now
    if event not in WORK_EVENTS:
        # Whether it is late here, or no longer: looked at once what it only passes through is passed.
        row.overdue_at = now + SETTLING
    if before.state in FINISHED and after.state not in FINISHED:
        # A finished run is not woken: the reopened order gets a run of its own.
        row.round, row.run_id, row.leg = row.round + 1, None, None
    if after.state not in ON_WORKLIST:
        session.exec(delete(WorklistItem).where(col(WorklistItem.order_key) == row.key))
    session.add(row)
    return after


def _wakes(event: Event, before: Progress, after: Progress) -> bool:
    if event in PATIENT_EVENTS:
        return after.state in SHOWS_PATIENT
    finished = before.state in FINISHED and after.state in FINISHED
    asked = event in (Event.WOKEN_BY_HAND, Event.SENDING_ASKED)
    return (asked or not before.only_notes(event)) and not finished


def look(session: Session, key: str, *, leg: str, now: datetime, lease: timedelta) -> Look:
    """Take the order for this leg, and see what is to do.

    Raises:
        UnknownOrder: no such order.
        LegLost: another leg works on it and its lease has not run out.
    """
    row = locked(session, key)
    if row.leg not in (None, leg) and row.leg_until and row.leg_until > now:
        raise LegLost(key)
    row.leg, row.leg_until, row.wake_at = leg, now + lease, now + lease
    session.add(row)
    return Look(Order.model_validate(row.document), progress_of(row), row.round, row.attempts, row.nudges)


def renew(session: Session, key: str, *, leg: str, now: datetime, lease: timedelta) -> None:
    """Say that the leg is alive.

    Raises:
        LegLost: another leg has taken the order over.
    """
    row = locked(session, key)
    if row.leg != leg:
        raise LegLost(key)
    row.leg_until = row.wake_at = now + lease
    session.add(row)


def rest(
    session: Session,
    key: str,
    *,
    leg: str,
    revision: int,
    now: datetime,
    wake_at: datetime | None = None,
    nudges: int | None = None,
) -> bool:
    """Let go of the order, to be woken by news or at `wake_at`.

    Args:
        nudges: how many the leg has seen, where a step waits for something that is no news.

    Returns:
        False when news, or a nudge, came since the leg looked: it has to look again.

    Raises:
        LegLost: another leg has taken the order over.
    """
    row = locked(session, key)
    if row.leg != leg:
        raise LegLost(key)
    if row.revision != revision or nudges not in (None, row.nudges):
        return False
    row.leg, row.leg_until, row.wake_at = None, now + SETTLING, wake_at
    session.add(row)
    return True


def nudge(session: Session, key: str, now: datetime) -> None:
    """Say that what a step of the order waits for may be there.

    A leg that is at work will see it when it wants to rest; an order that rests is woken.
    """
    row = locked(session, key)
    row.nudges += 1
    if row.leg is None and row.state not in FINISHED:
        row.wake_at = now
    session.add(row)


def wanting_a_leg(session: Session, now: datetime, limit: int = 200) -> Sequence[OrderRow]:
    """Orders whose time to wake has come, longest waiting first: one indexed query."""
    query = select(OrderRow).where(col(OrderRow.wake_at) <= now).order_by(col(OrderRow.wake_at)).limit(limit)
    # Two wakers share the work: what one is about to claim, the other passes over.
    return session.exec(query.with_for_update(skip_locked=True)).all()


def open_with_run(session: Session) -> Sequence[OrderRow]:
    """Orders that are not finished and whose run has been made."""
    query = select(OrderRow).where(col(OrderRow.run_id).is_not(None), col(OrderRow.state).not_in(FINISHED))
    return session.exec(query).all()


def forget_runs(session: Session, keys: Sequence[str], now: datetime) -> None:
    """Let the runs of these orders be made anew."""
    for row in session.exec(select(OrderRow).where(col(OrderRow.key).in_(keys)).with_for_update()):
        row.run_id, row.wake_at = None, now
        session.add(row)


def of_report(session: Session, report: Report) -> list[OrderRow]:
    """The orders that a report speaks of; none where it is not sure which.

    Placer and filler number name one order. Without them it is the orders of one patient that have its
    accession number, or else its Study Instance UID: in a group case those of several.
    """
    placer, filler = report.placer_order_number, report.filler_order_number

    def named(*numbers: tuple[Any, str]) -> list[OrderRow]:
        found = _named(session, report.site, numbers)
        return [row for row in found if not _is_anothers(row, placer, filler)]

    own = named(
        (OrderRow.filler_order_number, filler.value if filler else ""),
        (OrderRow.placer_order_number, placer.value if placer else ""),
    )
    if len(own) > 1:
        own = [row for row in own if row.accession_number == report.accession_number]
        return own if len(own) == 1 else []
    found = own or named((OrderRow.accession_number, report.accession_number))
    found = found or named((OrderRow.study_instance_uid, report.study_instance_uid))
    return found if len({row.patient_id for row in found}) == 1 else []


def group_of(session: Session, row: OrderRow) -> list[OrderRow]:
    """The other orders of the patient that one study fulfils together with this one (a group case)."""
    studies = select(StudyRow.study_instance_uid).where(StudyRow.order_key == row.key)
    shared = select(StudyRow.order_key).where(col(StudyRow.study_instance_uid).in_(studies))
    query = select(OrderRow).where(
        OrderRow.site == row.site,
        OrderRow.patient_id == row.patient_id,
        OrderRow.key != row.key,
        or_(
            col(OrderRow.key).in_(shared),
            OrderRow.study_instance_uid == row.study_instance_uid,
            OrderRow.accession_number == row.accession_number,
        ),
    )
    return list(session.exec(query.order_by(col(OrderRow.key))))


def of_numbers(
    session: Session,
    site: str,
    *,
    placer: Identifier | None = None,
    filler: Identifier | None = None,
    accession_number: str = "",
    study_instance_uid: str = "",
) -> OrderRow | None:
    """The one order with these numbers; None where there is none, or more than one.

    What is the order's own decides: its placer and filler number, else its accession number, which the other
    orders of a group case may share. A Study Instance UID is heeded only where nothing else names an order.
    One number of two assigners is two orders.
    """
    of_order = (
        (OrderRow.filler_order_number, filler.value if filler else ""),
        (OrderRow.placer_order_number, placer.value if placer else ""),
    )
    of_others_too = (
        (OrderRow.accession_number, accession_number),
        (OrderRow.study_instance_uid, study_instance_uid),
    )
    for numbers in (of_order, *((one,) for one in of_others_too)):
        found = [row for row in _named(session, site, numbers) if not _is_anothers(row, placer, filler)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


_MOST_OF_A_NUMBER = 20
"""Orders that are looked at because of one number."""


def _named(session: Session, site: str, numbers: Iterable[tuple[Any, str]]) -> Sequence[OrderRow]:
    named = [column == value for column, value in numbers if value]
    if not named:
        return ()
    query = select(OrderRow).where(OrderRow.site == site, or_(*named)).order_by(OrderRow.key)
    return session.exec(query.limit(_MOST_OF_A_NUMBER)).all()


def _is_anothers(row: OrderRow, placer: Identifier | None, filler: Identifier | None) -> bool:
    """Whether the order has its number from another assigner, where both are told."""
    pairs = ((placer, row.document["placer_order_number"]), (filler, row.document["filler_order_number"]))
    return any(
        given.assigner != known["assigner"]
        for given, known in pairs
        if given and known and given.assigner and known["assigner"]
    )


def events_of(session: Session, key: str) -> Sequence[OrderEvent]:
    """The order's log, oldest first."""
    query = select(OrderEvent).where(OrderEvent.order_key == key).order_by(col(OrderEvent.id))
    return session.exec(query).all()


STAGES: dict[str, frozenset[Event]] = {
    "received": frozenset({Event.ORDER_RECEIVED}),
    "worklisted": frozenset({Event.WORKLISTED}),
    "acquired": frozenset({Event.STUDY_FOUND}),
    "reported": frozenset({Event.PRELIMINARY_RECEIVED, Event.REPORT_RECEIVED}),
    "published": frozenset({Event.PUBLISHED}),
}
"""The five stages that users speak of, and the events that reach them."""


def stages_of(session: Session, key: str) -> dict[str, datetime]:
    """When each stage was first reached, as UTC; a stage not reached is absent."""
    first: dict[str, datetime] = {}
    for line in events_of(session, key):
        for stage, reached_by in STAGES.items():
            if line.event in reached_by:
                first.setdefault(stage, line.occurred_at)
    return first


def progress_of(row: OrderRow) -> Progress:
    """The folded log as the row keeps it."""
    return Progress(State(row.state) if row.state else None, frozenset(row.steps_done), row.revision)


def locked(session: Session, key: str) -> OrderRow:
    """The order, as it is now and stays until the end of the transaction. Raises UnknownOrder."""
    row = session.get(OrderRow, key, with_for_update=True)
    if row is None:
        raise UnknownOrder(key)
    return row

"""Applying messages that were read, in their order, inside one transaction."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime

import structlog
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlmodel import Session

from radflow.services.intake import rules
from radflow.services.intake.reading import Reading, reason_of
from radflow.services.intake.taken import UNKNOWN_ORDER, OrderUnknown, Taken
from radflow.store import messages
from radflow.store.messages import LinkKind
from radflow.store.tables import Message

log = structlog.get_logger()

TOGETHER = 50
"""Most messages that are applied at once: few enough to be done well within a group's time."""


def apply(session: Session, readings: Sequence[Reading], now: datetime, *, until: float) -> int:
    """Apply messages from the first on, at least one and for as long as there is time; returns how many.

    Args:
        until: a time of `time.monotonic`, seconds.

    Raises:
        OperationalError: the database is away.
    """
    claimed = {
        message.id: message for message in messages.claim(session, [one.message_id for one in readings])
    }
    done = 0
    for run in _runs(readings):
        _apply_run(session, [one for one in run if one.message_id in claimed], claimed, now)
        done += len(run)
        if time.monotonic() >= until:
            break
    return done


def _runs(readings: Sequence[Reading]) -> Iterator[list[Reading]]:
    """Messages of one kind in a row, where that kind is applied together; every other one is alone."""
    run: list[Reading] = []
    for reading in readings:
        together = run and reading.kind is run[0].kind and reading.kind and reading.kind.together
        if run and (not together or len(run) == TOGETHER):
            yield run
            run = []
        run.append(reading)
    if run:
        yield run


def _apply_run(
    session: Session, run: Sequence[Reading], claimed: dict[int | None, Message], now: datetime
) -> None:
    messages.link(session, {one.message_id: one.patients for one in run}, LinkKind.PATIENT)
    for one in run:
        if one.copies:
            rules.pass_on(session, claimed[one.message_id], one.copies, now)
    if not _done(session, run, claimed, now):
        for one in run:
            _done(session, [one], claimed, now)


def _done(
    session: Session, run: Sequence[Reading], claimed: dict[int | None, Message], now: datetime
) -> bool:
    """Apply all of these, or none; a single one that cannot be applied is set aside."""
    try:
        with session.begin_nested():
            _apply(session, run, claimed, now)
    except Exception as error:
        if isinstance(error, OperationalError) or (
            isinstance(error, DBAPIError) and error.connection_invalidated
        ):
            raise
        if len(run) > 1:
            return False
        _set_aside(session, claimed[run[0].message_id], error, now)
    return True


def _apply(
    session: Session, run: Sequence[Reading], claimed: dict[int | None, Message], now: datetime
) -> None:
    if not run:
        return
    kind = run[0].kind
    if run[0].filtered:
        messages.mark_filtered(session, claimed[run[0].message_id], run[0].filtered, now)
        return
    if kind is None:
        _quarantine(session, claimed[run[0].message_id], run[0].refusal, now)
        return
    kind.apply(session, [_taken(one, claimed[one.message_id]) for one in run], now)


def _taken(reading: Reading, message: Message) -> Taken[object]:
    assert reading.site is not None
    message.sent_at = reading.sent_surely_at
    return Taken(message, reading.site, reading.said, reading.sent_at or message.received_at)


def _set_aside(session: Session, message: Message, error: Exception, now: datetime) -> None:
    if isinstance(error, OrderUnknown):
        messages.mark_waiting(session, message, UNKNOWN_ORDER, error.numbers, now)
    else:
        _quarantine(session, message, reason_of(error), now)


def _quarantine(session: Session, message: Message, reason: str, now: datetime) -> None:
    log.warning("message is quarantined", message=message.id, reason=reason)
    messages.quarantine(session, message, reason, now)

"""How destinations fare: who sends to one now, when it may be tried again, what waits for it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col, func, update

from radflow.store.outbox import UNSENT, QueueState
from radflow.store.tables import DestinationState

_TABLE = SQLModel.metadata.tables["destinations"]


@dataclass(frozen=True)
class Queue:
    """What is owed to a destination."""

    queued: int = 0
    """Messages that wait, among them those behind another of their patient."""
    parked: int = 0
    """Messages that the receiver has refused."""
    oldest: datetime | None = None
    """When the oldest of them was written."""


def look(session: Session, site: str, name: str) -> DestinationState:
    """The destination as it fares; a new one fares well."""
    known = session.get(DestinationState, (site, name))
    return known or DestinationState(site=site, name=name)


def may_send(state: DestinationState, now: datetime) -> bool:
    """Whether it is neither stopped by hand nor failing just now."""
    return not state.paused and (state.next_try_at is None or state.next_try_at <= now)


def take(session: Session, site: str, name: str, *, holder: str, now: datetime, lease: timedelta) -> bool:
    """Be the one who sends to the destination, for as long as the lease.

    Returns:
        False when another sender does, or it may not be sent to now.
    """
    state = _locked(session, site, name)
    theirs = state.leased_by not in ("", holder) and state.leased_until and state.leased_until > now
    if theirs or not may_send(state, now):
        return False
    state.leased_by, state.leased_until = holder, now + lease
    return True


def renew(session: Session, holder: str, *, now: datetime, lease: timedelta) -> None:
    """Say that the sender is alive and still at its work."""
    session.exec(
        update(DestinationState)
        .where(col(DestinationState.leased_by) == holder)
        .values(leased_until=now + lease)
    )


def release(session: Session, holder: str) -> None:
    """Let another sender take whatever this one held."""
    session.exec(
        update(DestinationState)
        .where(col(DestinationState.leased_by) == holder)
        .values(leased_by="", leased_until=None)
    )


def answers(session: Session, site: str, name: str, *, holder: str) -> bool:
    """Note that the receiver has answered, be it with yes or no.

    Returns:
        Whether the holder may go on: False when it was stopped by hand, or has lost its lease.
    """
    state = look(session, site, name)
    if state.failures:
        state = _locked(session, site, name)
        state.failures, state.failing_since, state.next_try_at, state.trouble = 0, None, None, ""
    return state.leased_by == holder and not state.paused


def fails(
    session: Session, site: str, name: str, *, trouble: str, now: datetime, pause: timedelta
) -> DestinationState:
    """Note that the receiver could not be reached: nothing is sent to it during the pause."""
    state = _locked(session, site, name)
    state.failures += 1
    state.failing_since = state.failing_since or now
    state.next_try_at, state.trouble = now + pause, trouble
    return state


def pause(session: Session, site: str, name: str) -> DestinationState:
    """Stop a destination by hand; its messages wait."""
    state = _locked(session, site, name)
    state.paused = True
    return state


def resume(session: Session, site: str, name: str) -> DestinationState:
    """Go on, and at once: a pause by hand ends, and so does the one after a failure."""
    state = _locked(session, site, name)
    state.paused, state.next_try_at = False, None
    return state


def queues(session: Session) -> dict[tuple[str, str], Queue]:
    """What is owed to each destination, by site and name; one to which nothing is owed is absent."""
    outbox = SQLModel.metadata.tables["outbox"].c
    query = (
        sa.select(outbox.site, outbox.destination, outbox.state, func.count(), func.min(outbox.created_at))
        .where(outbox.state.in_(UNSENT))
        .group_by(outbox.site, outbox.destination, outbox.state)
    )
    found: dict[tuple[str, str], Queue] = {}
    for site, name, state, count, oldest in session.connection().execute(query):
        known = found.get((site, name), Queue())
        parked = count if state == QueueState.PARKED else 0
        found[site, name] = Queue(
            known.queued + count - parked,
            known.parked + parked,
            min(filter(None, (known.oldest, oldest))),
        )
    return found


def _locked(session: Session, site: str, name: str) -> DestinationState:
    dialect: Any = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    new = dialect.insert(_TABLE).values(
        site=site, name=name, paused=False, failures=0, trouble="", leased_by=""
    )
    session.connection().execute(new.on_conflict_do_nothing())
    return session.get_one(DestinationState, (site, name), with_for_update=True, populate_existing=True)

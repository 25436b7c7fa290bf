"""How sources of reports fare: how far each was read, and when one that fails is tried again."""

from datetime import datetime, timedelta

from sqlmodel import Session

from radflow.store import failing
from radflow.store.tables import ReportSourceState


def look(session: Session, site: str, name: str) -> ReportSourceState:
    """The source as it fares; a new one fares well, and has not been read."""
    return session.get(ReportSourceState, (site, name)) or ReportSourceState(site=site, name=name)


def is_due(state: ReportSourceState, every: timedelta, now: datetime) -> bool:
    """Whether it is time to ask: a failing one later and later, another one every so often."""
    if state.next_try_at is not None:
        return state.next_try_at <= now
    return state.asked_at is None or state.asked_at + every <= now


def answered(session: Session, site: str, name: str, *, read_until: datetime | None, now: datetime) -> int:
    """Note that it has answered, and how far it is read; how often in a row it had failed before."""
    state = look(session, site, name)
    failures = failing.recovers(state)
    state.asked_at = now
    # Two polls at once: the one that has read further counts.
    state.read_until = max(filter(None, (state.read_until, read_until)), default=None)
    session.add(state)
    return failures


def failed(
    session: Session, site: str, name: str, *, trouble: str, now: datetime, first: float, longest: float
) -> int:
    """Note that it has not: it is left alone for `first` seconds, then twice as long, up to `longest`.

    Returns:
        How often in a row it has failed.
    """
    state = look(session, site, name)
    failing.fails(state, trouble=trouble, now=now, first=first, longest=longest)
    session.add(state)
    return state.failures

"""How archives fare: whether one answers, when it is tried again, when it was last searched through."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

from radflow.store import failing
from radflow.store.tables import ArchiveState

_TABLE = SQLModel.metadata.tables["archives"]


def look(session: Session, site: str, name: str) -> ArchiveState:
    """The archive as it fares; a new one fares well."""
    return session.get(ArchiveState, (site, name)) or ArchiveState(site=site, name=name)


def may_ask(state: ArchiveState, now: datetime) -> bool:
    """Whether it answers, or is to be tried again."""
    return state.next_try_at is None or state.next_try_at <= now


def answers(session: Session, site: str, name: str, *, now: datetime, searched: bool = False) -> int:
    """Note that the archive has answered.

    Args:
        searched: it was asked for every study of the days in question.

    Returns:
        How often in a row it had failed before: anything but 0 is a recovery.
    """
    state = _locked(session, site, name)
    failures = failing.recovers(state)
    state.answered_at = now
    if searched:
        state.searched_at = now
    return failures


def fails(
    session: Session, site: str, name: str, *, trouble: str, now: datetime, first: float, longest: float
) -> ArchiveState:
    """Note that it has not: it is left alone for `first` seconds, then twice as long, up to `longest`."""
    state = _locked(session, site, name)
    failing.fails(state, trouble=trouble, now=now, first=first, longest=longest)
    return state


def _locked(session: Session, site: str, name: str) -> ArchiveState:
    dialect: Any = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    new = dialect.insert(_TABLE).values(site=site, name=name, failures=0, trouble="")
    session.connection().execute(new.on_conflict_do_nothing())
    return session.get_one(ArchiveState, (site, name), with_for_update=True, populate_existing=True)

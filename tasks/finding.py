"""One look into one archive, and how the archive fares by it."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from sqlmodel import Session

from radflow.connectors.archive import ArchiveUnavailable
from radflow.order import State
from radflow.settings import ConfigError, Site, settings
from radflow.store import archives, orders, studies
from radflow.store.engine import Store
from tasks.look import Look, Searched
from tasks.looking_again import look_again, to_look_at
from tasks.noting import Notes, Performed
from tasks.waiting_for_images import is_thorough_due, look_for, look_through, look_up, waiting_for

log = structlog.get_logger()

_PUBLISHING = (State.PRELIMINARY, State.REPORTED, State.WITHDRAWN)


def archives_in_turn(store: Store, site: Site, now: datetime) -> list[str]:
    """Whom to ask, in the site file's order; a failing one comes last, and only when its time has come."""
    with store.read() as session:
        states = [archives.look(session, site.name, archive.name) for archive in site.archives]
    due = [state for state in states if archives.may_ask(state, now)]
    return [state.name for state in sorted(due, key=lambda state: bool(state.failures))]


def search(
    store: Store,
    site: Site,
    archive: str,
    now: datetime,
    performed: Performed,
    already_shown: Sequence[str] = (),
) -> Searched:
    """Look for all that is waited for, and look again at what was found here before.

    Args:
        performed: whether the modality says that an order's images are all made.
        already_shown: keys of orders that an earlier archive of this round has shown images of.
    """
    look = _look(store, site, archive, now, performed)
    with store.read() as session:
        state = archives.look(session, site.name, archive)
        waiting = waiting_for(session, look, already_shown)
        again = to_look_at(session, look)
    if not (waiting or again or state.failures):
        return look.searched
    thorough = bool(waiting) and is_thorough_due(look, state)

    def ask() -> None:
        if state.failures:
            look.client.echo()
        if thorough:
            look_through(look, waiting)
        elif waiting:
            look_for(look, waiting)
        if again:
            look_again(look, again)

    return _guarded(look, ask, thorough=thorough)


def search_for(
    store: Store, site: Site, archive: str, now: datetime, performed: Performed, uids: Sequence[str]
) -> Searched:
    """Look for these studies alone: someone has said that they have come."""
    look = _look(store, site, archive, now, performed)
    return _guarded(look, lambda: look_up(look, uids))


def note_failure(session: Session, site: str, archive: str, trouble: str, now: datetime) -> str:
    """Note that the archive does not answer; returns what is to be logged of it, the first time."""
    limits = settings()
    state = archives.fails(
        session, site, archive, trouble=trouble, now=now,
        first=limits.retry_seconds, longest=limits.retry_max_seconds,
    )  # fmt: skip
    return f"{trouble}; it is tried again, later and later" if state.failures == 1 else ""


def _describing(site: Site) -> tuple[State, ...]:
    """States in which an order may wait for an archive to describe its study."""
    return (*_PUBLISHING, State.ACQUIRED) if "sr" in site.results.prefer else _PUBLISHING


def _look(store: Store, site: Site, archive: str, now: datetime, performed: Performed) -> Look:
    return Look(store, site, site.archive(archive), now, Notes(store, site.finding, now, performed))


def _guarded(look: Look, ask: Callable[[], None], *, thorough: bool = False) -> Searched:
    """Ask; an archive that fails keeps nobody from asking the next one."""
    try:
        ask()
    except ArchiveUnavailable as error:
        _failed(look, str(error))
    except ConfigError as error:
        _failed(look, f"archive {look.archive.name}: {error}")
    except Exception as error:
        # The text of an unforeseen error may hold patient data; its type does not.
        log.debug("search failed", archive=look.archive.name, exc_info=True)
        _failed(look, f"archive {look.archive.name}: unforeseen {type(error).__name__}")
    else:
        _answered(look, thorough=thorough)
    return look.searched


def _failed(look: Look, trouble: str) -> None:
    with look.store.write() as session:
        look.searched.news = note_failure(session, look.site.name, look.archive.name, trouble, look.now)


def _answered(look: Look, *, thorough: bool) -> None:
    site, name = look.site.name, look.archive.name
    with look.store.write() as session:
        failures = archives.answers(session, site, name, now=look.now, searched=thorough)
        if failures:
            look.searched.news = f"archive {name} answers again after {failures} failed tries"
            for key in studies.orders_in(session, site, name, _describing(look.site)):
                orders.nudge(session, key, look.now)

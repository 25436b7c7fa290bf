"""The site's catalogues of procedures, locations and staff, as its master file messages tell them (MFN)."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import tuple_
from sqlmodel import Session, col, or_, select

from mappings.hl7.catalogues import CatalogueAction, CatalogueChange
from radflow.model import CodedConcept
from radflow.store.standing import Sent, Word, Words
from radflow.store.tables import CatalogueEntry

_Key = tuple[str, str, str, str]
_KEY = tuple_(
    col(CatalogueEntry.site),
    col(CatalogueEntry.kind),
    col(CatalogueEntry.system),
    col(CatalogueEntry.code),
)
_AT_ONCE = 500
"""So many entries are asked for in one statement, whose parameters are limited."""
_GONE = frozenset({CatalogueAction.DELETE, CatalogueAction.DEACTIVATE})


def apply(session: Session, said: Iterable[tuple[str, Sent, CatalogueChange]], now: datetime) -> None:
    """Bring the catalogues up to date: changes in order, each with its site and the message that says so.

    An older message than the newest that has told of an entry changes nothing in it. What is deleted is kept,
    and no longer used.
    """
    changes = list(said)
    entries = _known(session, {_key(site, change) for site, _, change in changes})
    words = Words(session, entries.values())
    for site, told_by, change in changes:
        entry = entries.get(_key(site, change)) or CatalogueEntry(
            site=site, kind=change.kind, system=change.system, code=change.code, document={}, updated_at=now
        )
        entries[_key(site, change)] = entry
        if words.take(entry, told_by) is Word.NEWEST:
            before = (entry.active, entry.document, entry.effective_at)
            entry.active = change.action not in _GONE
            entry.document = change.document or entry.document
            entry.effective_at = change.effective_at
            if (entry.active, entry.document, entry.effective_at) != before:
                entry.updated_at = now
    session.add_all(entries.values())
    session.flush()


def procedure(session: Session, site: str, concept: CodedConcept, now: datetime) -> CatalogueEntry | None:
    """The procedure of this code that is in use: of the code's own system, or the only one."""
    if not concept.code:
        return None
    query = select(CatalogueEntry).where(
        CatalogueEntry.site == site,
        CatalogueEntry.kind == "procedure",
        CatalogueEntry.code == concept.code,
        col(CatalogueEntry.active).is_(True),
        or_(col(CatalogueEntry.effective_at).is_(None), col(CatalogueEntry.effective_at) <= now),
    )
    found = session.exec(query.limit(20)).all()
    same = [entry for entry in found if entry.system == concept.system]
    candidates = same or (found if not concept.system else [])
    return candidates[0] if len(candidates) == 1 else None


def _known(session: Session, keys: set[_Key]) -> dict[_Key, CatalogueEntry]:
    wanted = sorted(keys)
    found: dict[_Key, CatalogueEntry] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        for entry in session.exec(select(CatalogueEntry).where(_KEY.in_(wanted[start : start + _AT_ONCE]))):
            found[entry.site, entry.kind, entry.system, entry.code] = entry
    return found


def _key(site: str, change: CatalogueChange) -> _Key:
    return site, change.kind, change.system, change.code

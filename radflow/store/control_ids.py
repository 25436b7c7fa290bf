"""MSH-10 as a key: which messages of a sender were accepted under it (v2.5.1 §2.14.9.10)."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from sqlalchemy import bindparam, func, select
from sqlmodel import Session, SQLModel

import radflow.store.tables  # noqa: F401 - defines the table

Key = tuple[str, str, str]
"""MSH-10, MSH-3 | MSH-4, site: the first columns of the table's unique index."""

_LOCK = 0x4D534831
"""PostgreSQL advisory lock: one group of messages is looked up and inserted at a time."""

_LOCK_IT = select(func.pg_advisory_xact_lock(_LOCK))
_MESSAGES = SQLModel.metadata.tables["messages"].c
_ACCEPTED = select(
    _MESSAGES.control_id, _MESSAGES.sender, _MESSAGES.site, _MESSAGES.digest, _MESSAGES.received_at
).where(
    # Three lists, though they name more than the keys: SQLite reads the whole table for a list of triples.
    _MESSAGES.control_id.in_(bindparam("control_ids", expanding=True)),
    _MESSAGES.sender.in_(bindparam("senders", expanding=True)),
    _MESSAGES.site.in_(bindparam("sites", expanding=True)),
    _MESSAGES.ack_code == "AA",
    _MESSAGES.repairs.is_(None),
)
"""Made once: its making takes longer than its execution."""


class Kept(StrEnum):
    """What a message that was kept has turned out to be."""

    NEW = "new"
    AGAIN = "again"
    """The same bytes were accepted before: they are counted, and not received anew."""
    REUSED = "reused"
    """Another message of the sender was accepted under its MSH-10: quarantined."""


class AcceptedIds:
    """The control IDs of a group of messages, and what was accepted under each, in the store or the group."""

    def __init__(self, session: Session, keys: Collection[Key]) -> None:
        """Look them up, all at once. Until the transaction ends nobody else adds any: SQLite has one writer
        anyway, on PostgreSQL a lock sees to it.
        """
        connection = session.connection()
        if connection.dialect.name == "postgresql":
            connection.execute(_LOCK_IT)
        control_ids, senders, sites = map(set, zip(*keys, strict=True))
        names = {"control_ids": list(control_ids), "senders": list(senders), "sites": list(sites)}
        self._accepted: dict[Key, dict[str, datetime]] = {}
        for control_id, sender, site, digest, received_at in connection.execute(_ACCEPTED, names):
            self._accepted.setdefault((control_id, sender, site), {})[digest] = received_at

    def meet(self, key: Key, digest: str, received_at: datetime, unique_since: datetime | None) -> Kept:
        """What a message is that would be accepted; a new one is accepted from now on.

        Args:
            unique_since: other messages accepted from then on count; None where a sender may re-use its IDs.
        """
        others = self._accepted.setdefault(key, {})
        if digest in others:
            return Kept.AGAIN
        if unique_since and any(since >= unique_since for since in others.values()):
            return Kept.REUSED
        others[digest] = received_at
        return Kept.NEW

    def has_accepted(self, key: Key, digest: str) -> bool:
        return digest in self._accepted.get(key, {})

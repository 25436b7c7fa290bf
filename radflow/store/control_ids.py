"""MSH-10 as a key: which messages of a sender were accepted under it (v2.5.1 §2.14.9.10)."""

import json
from collections.abc import Callable, Collection
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from radflow.store.tables.columns import UtcDateTime

Key = tuple[str, str, str]
"""MSH-10, MSH-3 | MSH-4, site: the first columns of the table's unique index."""

_LOCK = 0x4D534831
"""PostgreSQL advisory lock: one group of messages is looked up and inserted at a time."""

_LOCK_IT = text(
    f"SELECT pg_advisory_xact_lock({_LOCK}), set_config('plan_cache_mode', 'force_custom_plan', true)"
)
"""And plan the look-up for the table as it is: a plan kept from when it was empty reads the whole of it."""


_ACCEPTED = """
    SELECT control_id, sender, site, digest, received_at FROM messages
    WHERE ack_code = 'AA' AND repairs IS NULL"""
_AMONG = {
    "sqlite": """
        AND control_id IN (SELECT value FROM json_each(:control_ids))
        AND sender IN (SELECT value FROM json_each(:senders))
        AND site IN (SELECT value FROM json_each(:sites))""",
    "postgresql": "AND control_id = ANY(:control_ids) AND sender = ANY(:senders) AND site = ANY(:sites)",
}
_LOOK_UP = {
    dialect: text(f"{_ACCEPTED} {among}").columns(received_at=UtcDateTime)
    for dialect, among in _AMONG.items()
}
"""What was accepted under some IDs, of some senders, at some sites.

A list is one value, so the statement is the same however long it is, and prepared once. Three lists, though
they name more than the keys: SQLite reads the whole table for a list of triples.
"""
_LIST: dict[str, Callable[[list[str]], Any]] = {"sqlite": json.dumps, "postgresql": list}
"""A list as one value."""


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
        as_value = _LIST[connection.dialect.name]
        lists = (as_value(list(set(values))) for values in zip(*keys, strict=True))
        names = dict(zip(("control_ids", "senders", "sites"), lists, strict=True))
        self._accepted: dict[Key, dict[str, datetime]] = {}
        found = connection.execute(_LOOK_UP[connection.dialect.name], names)
        for control_id, sender, site, digest, received_at in found:
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

"""The intake: stored messages become orders, patients, catalogues and events.

    next received ──read (no transaction)──▶ readings ──apply (one transaction a group)──▶ store

Messages are applied in the order they came, in groups of one durable transaction; each in a SAVEPOINT of its
own, so that a message is applied whole or not at all, and a bad one is set aside alone.
"""

import time
from collections.abc import Mapping
from datetime import datetime

from radflow.services.intake.group import apply
from radflow.services.intake.reading import Reading, read
from radflow.settings import Site
from radflow.store import messages
from radflow.store.engine import Store

__all__ = ["take_in"]

HOLD = 0.05
"""Seconds after which a group ends: SQLite has one writer, and the listener must not wait long for its
commits.
"""
_AT_ONCE = 100
"""So many messages are in memory at once: a report may hold many megabytes."""


def take_in(store: Store, sites: Mapping[str, Site], now: datetime, limit: int = 200) -> int:
    """Look at the oldest received messages; returns how many there were.

    Each is then processed, filtered, waiting for its order, or in quarantine with a reason.

    Raises:
        OperationalError: the database is away; the messages that were not applied stay as they are.
    """
    with store.read() as session:
        ids = messages.next_received(session, limit)
    for start in range(0, len(ids), _AT_ONCE):
        with store.read() as session:
            came = messages.read(session, ids[start : start + _AT_ONCE])
        _apply(store, [read(message, sites) for message in came], now)
    return len(ids)


def _apply(store: Store, readings: list[Reading], now: datetime) -> None:
    while readings:
        with store.write() as session:
            done = apply(session, readings, now, until=time.monotonic() + HOLD)
        readings = readings[done:]

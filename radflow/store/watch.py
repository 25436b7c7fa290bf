"""Waiting for the store to change, at next to no cost: for services that look at it again and again."""

import sqlite3
import time
from contextlib import closing
from threading import Lock

from radflow.stopping import Stop
from radflow.store.engine import Store

ASKS_EVERY = 0.1
"""Seconds between two questions whether anything has changed; one costs some microseconds."""
LOOKS_EVERY = 1.0
"""Seconds after which a service looks all the same: what is due by its time changes nothing in the store."""
LOOKS_BLINDLY_EVERY = 0.25
"""The same where nobody can say whether the store has changed."""


class Watch:
    """Knows whether anyone has committed to a store since it was asked before."""

    def __init__(self, store: Store) -> None:
        self._sqlite = store.engine.raw_connection() if store.url.startswith("sqlite") else None
        self._one_at_a_time = Lock()

    def version(self) -> int:
        """Another number after each commit of anyone; always 0 where it cannot be told, as on PostgreSQL."""
        if self._sqlite is None:
            return 0
        try:
            with self._one_at_a_time, closing(self._sqlite.cursor()) as cursor:
                # A file's header is read, nothing else (https://sqlite.org/pragma.html#pragma_data_version).
                (version,) = cursor.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            # The look that follows meets the same trouble, and says so.
            return 0
        return int(version)

    def wait(self, seen: int, stop: Stop) -> None:
        """Wait until the version is another one than was seen, or it is time to look all the same.

        However much is committed, it pauses once: who looks is not to look without end.

        Args:
            seen: the version before the last look: what has come meanwhile ends the wait.
            stop: ends it too.
        """
        if self._sqlite is None:
            stop.wait(LOOKS_BLINDLY_EVERY)
            return
        until = time.monotonic() + LOOKS_EVERY
        while not stop.wait(ASKS_EVERY) and self.version() == seen and time.monotonic() < until:
            pass

    def close(self) -> None:
        """Give its connection back."""
        if self._sqlite is not None:
            self._sqlite.close()

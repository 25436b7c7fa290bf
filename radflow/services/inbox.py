"""The inbox's one writer: a thread that commits messages in groups.

It takes all that is pending and commits once. A message that comes alone is committed at once: nobody
waits for company.
"""

import asyncio
import queue
import threading
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import OperationalError

from radflow.store import messages
from radflow.store.control_ids import Kept
from radflow.store.engine import Store
from radflow.store.messages import Arrival

log = structlog.get_logger()

_GROUP = 500
"""So many messages are committed together at most."""

_Pending = tuple[Arrival, "asyncio.Future[Kept | None]"]


class Inbox:
    """Keeps messages, in the order in which they were handed over."""

    def __init__(self, store: Store) -> None:
        """Start the writer, on behalf of the running event loop."""
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
        self._thread.start()

    def keep(self, message: Arrival) -> "asyncio.Future[Kept | None]":
        """What the message has turned out to be, once it is committed; None when it could not be."""
        kept: asyncio.Future[Kept | None] = self._loop.create_future()
        self._queue.put((message, kept))
        return kept

    async def close(self) -> None:
        """Commit what is pending, then stop."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        last = False
        while not last:
            group, last = self._pending()
            if group:
                self._commit(group)

    def _pending(self) -> tuple[list[_Pending], bool]:
        """All that is there, waiting for the first; and whether it is the last."""
        item = self._queue.get()
        group: list[_Pending] = []
        try:
            while item is not None:
                group.append(item)
                if len(group) == _GROUP:
                    return group, False
                item = self._queue.get_nowait()
        except queue.Empty:
            return group, False
        return group, True

    def _commit(self, group: list[_Pending]) -> None:
        try:
            with self._store.write() as session:
                found = messages.keep(session, [message for message, _ in group])
        except Exception as error:
            if len(group) > 1 and not isinstance(error, OperationalError):
                # One of them cannot be written; the others must not suffer for it.
                for one in group:
                    self._commit([one])
                return
            # The error's text would quote the message.
            log.error("messages could not be kept", messages=len(group), error=type(error).__name__)
            self._tell(group, [None] * len(group))
        else:
            self._tell(group, found)

    def _tell(self, group: list[_Pending], found: Sequence[Kept | None]) -> None:
        def tell() -> None:
            for (_, future), kept in zip(group, found, strict=True):
                if not future.done():
                    future.set_result(kept)

        self._loop.call_soon_threadsafe(tell)

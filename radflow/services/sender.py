"""The sender: what is queued for destinations goes out, each destination at its own pace.

Every destination has a worker of its own, with its own connection, pauses and failures: one that is down,
slow or refusing is no matter of the others. A message is marked as sent once it is acknowledged; whatever
comes between is repeated under the same MSH-10. Nothing is held that a restart would lose.
"""

import os
import platform
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import stamina
import structlog
from sqlalchemy.exc import OperationalError

from radflow.clock import utc_now
from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.hl7_destination import Hl7Client, open_destination
from radflow.settings import Destination, settings
from radflow.stopping import Stop
from radflow.store import destinations, outbox
from radflow.store.engine import Store, store
from radflow.store.tables import OutboxMessage
from radflow.store.watch import Watch

log = structlog.get_logger()

BATCH = 50
"""How many messages are looked ahead."""
LEASE = timedelta(seconds=30)
"""A sender that is silent for so long is lost, and another may take its destinations."""
RENEWS_EVERY = 5.0
"""Seconds."""
STOPS_WITHIN = 10.0
"""Seconds that a message which is on its way may still take when the service is told to stop."""


@dataclass
class Drained:
    """What one look at a queue has brought."""

    sent: int = 0
    parked: int = 0
    trouble: str = ""
    """Why it stopped before the end: the receiver could not be reached."""

    def __bool__(self) -> bool:
        return bool(self.sent or self.parked) and not self.trouble


@dataclass(frozen=True)
class Outlet:
    """One destination of one site, and how it is sent to."""

    store: Store
    site: str
    destination: Destination
    client: Hl7Client
    holder: str
    """The sender: at most one at a time sends to a destination."""
    clock: Callable[[], datetime] = utc_now
    jitter: Callable[[], float] = random.random
    """Between 0 and 1: many senders whose receiver comes back shall not all knock at once."""

    @property
    def name(self) -> str:
        return self.destination.name


def drain(outlet: Outlet, stop: Stop | None = None) -> Drained:
    """Send what can be sent now, at most `BATCH` messages, in order for each patient.

    Raises:
        OperationalError: the database is away; what was sent and could not be noted is sent again.
    """
    drained = Drained()
    for message in _sendable(outlet):
        if (stop and stop.told) or not _send(outlet, message, drained):
            break
    return drained


def _sendable(outlet: Outlet) -> Sequence[OutboxMessage]:
    """The next messages; none when the destination is not to be sent to, or another sender does."""
    with outlet.store.read() as session:
        now = outlet.clock()
        state = destinations.look(session, outlet.site, outlet.name)
        if not destinations.may_send(state, now) or not outbox.sendable(
            session, outlet.site, outlet.name, limit=1
        ):
            return ()
    with outlet.store.write() as session:
        if not destinations.take(
            session, outlet.site, outlet.name, holder=outlet.holder, now=now, lease=LEASE
        ):
            return ()
        # Read again, now that nobody else sends.
        return outbox.sendable(session, outlet.site, outlet.name, BATCH)


def _send(outlet: Outlet, message: OutboxMessage, drained: Drained) -> bool:
    """Send one message and note what came of it; whether to go on."""
    assert message.id is not None
    try:
        answer = outlet.client.send(message.payload)
    except Unavailable as error:
        drained.trouble = str(error)
        _failed(outlet, message.id, str(error))
        return False
    except Refused as error:
        drained.parked += 1
        return _answered(outlet, message.id, str(error), note=outbox.parked)
    except ValueError as error:
        # Not even a header from which to tell the answer: no receiver could take it.
        drained.parked += 1
        return _answered(outlet, message.id, f"It cannot be sent: {error}", note=outbox.parked)
    drained.sent += 1
    return _answered(outlet, message.id, answer.code, note=outbox.sent)


# A database that is away for a moment, or a deadlock that it has resolved, must not repeat a message.
_persistently = stamina.retry(on=OperationalError, attempts=5, timeout=10)


@_persistently
def _answered(outlet: Outlet, message_id: int, answer: str, *, note: Callable[..., None]) -> bool:
    now = outlet.clock()
    with outlet.store.write() as session:
        note(session, message_id, answer=answer, now=now)
        before = destinations.look(session, outlet.site, outlet.name).failing_since
        going = destinations.answers(session, outlet.site, outlet.name, holder=outlet.holder)
    if before:
        log.info("destination answers again", site=outlet.site, destination=outlet.name)
    if note is outbox.parked:
        log.warning(
            "message parked", site=outlet.site, destination=outlet.name, message=message_id, reason=answer
        )
    return going


@_persistently
def _failed(outlet: Outlet, message_id: int, trouble: str) -> None:
    now = outlet.clock()
    with outlet.store.write() as session:
        outbox.not_sent(session, message_id, answer=trouble)
        failures = destinations.look(session, outlet.site, outlet.name).failures
        pause = back_off(outlet.destination, failures, outlet.jitter())
        destinations.fails(session, outlet.site, outlet.name, trouble=trouble, now=now, pause=pause)
    if not failures:
        log.warning(
            "destination is away; its messages wait",
            site=outlet.site, destination=outlet.name, reason=trouble,
        )  # fmt: skip


def back_off(destination: Destination, failures: int, jitter: float) -> timedelta:
    """The pause after one more failure: doubled each time, up to a limit, and shortened by up to a half.

    Args:
        failures: in a row, before this one.
        jitter: between 0 and 1.
    """
    longest = destination.retry_max_seconds
    # 2 ** 64 seconds is longer than any limit; a higher power would overflow.
    pause = min(longest, destination.retry_seconds * 2.0 ** min(failures, 64))
    return timedelta(seconds=pause * (1 - jitter / 2))


class Sender:
    """The workers of all destinations of some sites."""

    def __init__(self, store: Store, sites: Sequence[str]) -> None:
        self._store = store
        self._holder = f"{platform.node()}:{os.getpid()}:{uuid4().hex[:6]}"
        self._stop = Stop()
        self._watch = Watch(store)
        self._outlets = [
            Outlet(store, site, destination, open_destination(destination), self._holder)
            for site in sites
            for destination in settings().site(site).destinations
        ]
        self._workers = [
            threading.Thread(target=self._work, args=(outlet,), name=outlet.name, daemon=True)
            for outlet in self._outlets
        ]

    def run(self, stop: Stop) -> None:
        """Send until told to stop."""
        for worker in self._workers:
            worker.start()
        while not stop.wait(RENEWS_EVERY):
            self._renew()
        self._stop.told = True
        until = time.monotonic() + STOPS_WITHIN
        for worker in self._workers:
            worker.join(max(0.0, until - time.monotonic()))
        if not any(worker.is_alive() for worker in self._workers):
            with self._store.write() as session:
                destinations.release(session, self._holder)
            self._watch.close()

    def _renew(self) -> None:
        try:
            with self._store.write() as session:
                destinations.renew(session, self._holder, now=utc_now(), lease=LEASE)
        except OperationalError:
            log.exception("sender: the lease could not be renewed")

    def _work(self, outlet: Outlet) -> None:
        while not self._stop.told:
            seen = self._watch.version()
            try:
                drained = drain(outlet, self._stop)
            except Exception:
                # The store may be away for a moment; a worker that has died would be away for good.
                log.exception("sender: a look failed", site=outlet.site, destination=outlet.name)
                drained = Drained()
            if not drained:
                self._watch.wait(seen, self._stop)
        outlet.client.close()


def run_sender(sites: Sequence[str] | None = None) -> None:
    """Send what is queued for the destinations of these sites, or of all, until SIGTERM or SIGINT."""
    stop = Stop().on_signals()
    store().migrate()
    sender = Sender(store(), sites or list(settings().sites))
    log.info("sender started")
    sender.run(stop)
    log.info("sender stopped")

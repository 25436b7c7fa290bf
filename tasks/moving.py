"""Moving the studies of a site from archive to archive, as its ledger says; without Prefect.

Many are moved at once, by movers in any number of processes. Who is killed half-way loses its lease, and
whoever comes next goes on.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import structlog

from radflow.clock import utc_now
from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.transfer.cmove import Receiver
from radflow.settings import Site
from radflow.store import transfers
from radflow.store.engine import Store
from radflow.store.tables import TransferRow
from radflow.store.transfers import MoverLost, TransferState
from tasks.copying import Copy, Ends, Shortfall

log = structlog.get_logger()

_IN_A_ROW = 3
"""So often an archive may be away before its other studies are left for a later run."""
_SURELY_LEFT = timedelta(hours=1)
"""A batch that is so old is nobody's any more."""
_LOOKS = 2
"""Seconds between two reports of progress."""


@dataclass
class Mover:
    """Moves what waits at a site, by as many lanes as its targets allow."""

    site: Site
    store: Store
    folder: Path
    """Where instances lie for a moment."""
    clock: Callable[[], datetime] = utc_now
    stopped: Callable[[], bool] = lambda: False
    """Asked before each study."""
    name: str = field(default_factory=lambda: f"mover-{uuid4().hex[:12]}")
    away: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(source, target) → how often in a row one of them was unavailable."""

    def run(self, report: Callable[[], None] = lambda: None) -> None:
        """Move until nothing can be moved now; `report` is called now and then, in the caller's thread."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._tidy()
        limits = {archive.name: archive.max_transfers for archive in self.site.archives}
        waiting = self._waiting()
        lanes = sum(min(count, limits.get(target, 0)) for target, count in waiting.items())
        if not lanes:
            return
        with self._receiver() as receiver, ThreadPoolExecutor(lanes, self.name) as pool:
            started = {pool.submit(self._lane, number, limits, receiver) for number in range(lanes)}
            running = set(started)
            while running:
                running = wait(running, timeout=_LOOKS).not_done
                report()
        for lane in started:
            lane.result()

    def _tidy(self) -> None:
        """Remove what a killed mover has left: images of patients are not to stay here."""
        old = (self.clock() - max(self._lease, _SURELY_LEFT)).timestamp()
        for left in self.folder.iterdir():
            with suppress(FileNotFoundError):
                if left.stat().st_mtime < old:
                    shutil.rmtree(left, ignore_errors=True)

    def _waiting(self) -> Counter[str]:
        """Target → how many studies wait for it."""
        waiting: Counter[str] = Counter()
        with self.store.read() as session:
            for (_, target, state), count in transfers.summary(session, self.site.name).items():
                waiting[target] += count if state == TransferState.WAITING else 0
        return waiting

    @contextmanager
    def _receiver(self) -> Iterator[Receiver | None]:
        settings = self.site.routing.receiver
        receiver = Receiver(settings) if settings else None
        try:
            yield receiver
        finally:
            if receiver:
                receiver.stop()

    def _lane(self, number: int, limits: dict[str, int], receiver: Receiver | None) -> None:
        mover, ends = f"{self.name}-{number}", Ends(self.site, receiver)
        while not self.stopped() and (row := self._claim(mover, limits)):
            self._move(row, mover, ends)

    def _claim(self, mover: str, limits: dict[str, int]) -> TransferRow | None:
        avoid = [pair for pair, failures in self.away.items() if failures >= _IN_A_ROW]
        with self.store.write() as session:
            return transfers.claim(
                session, self.site.name, mover=mover, limits=limits, avoid=avoid, now=self.clock(),
                lease=self._lease,
            )  # fmt: skip

    def _move(self, row: TransferRow, mover: str, ends: Ends) -> None:
        pair = (row.source, row.target)
        copy = Copy(self.site, self.store, self.folder, self.clock, mover, row, ends)
        try:
            copy.run()
        except MoverLost as lost:
            log.warning("move: taken over by another mover", reason=str(lost))
        except Unavailable as away:
            self.away[pair] += 1
            self._finish(row, mover, TransferState.WAITING, str(away))
        except Refused as refused:
            self._finish(row, mover, TransferState.FAILED, str(refused))
        except Shortfall as short:
            last = short.final or row.attempts >= self.site.routing.max_attempts
            self._finish(row, mover, TransferState.FAILED if last else TransferState.WAITING, str(short))
        except Exception as error:
            # The text of an unforeseen error may hold patient data; its type does not.
            log.debug("move: unforeseen", transfer=row.id, exc_info=True)
            self._finish(row, mover, TransferState.WAITING, f"unforeseen {type(error).__name__}")
        else:
            del self.away[pair]
            self._finish(row, mover, TransferState.DONE, "")

    def _finish(self, row: TransferRow, mover: str, state: TransferState, trouble: str) -> None:
        assert row.id is not None
        if trouble:
            log.warning("move: not there yet", transfer=row.id, state=state, trouble=trouble)
        now, routing = self.clock(), self.site.routing
        # The exponent is bounded: an archive may be away for weeks.
        pause = min(routing.retry_max_seconds, routing.retry_seconds * 2.0 ** min(row.attempts - 1, 32))
        try:
            with self.store.write() as session:
                transfers.finish(
                    session, row.id, mover, state, trouble=trouble, now=now,
                    again_at=now + timedelta(seconds=pause),
                )  # fmt: skip
        except MoverLost as lost:
            log.warning("move: taken over by another mover", reason=str(lost))

    @property
    def _lease(self) -> timedelta:
        return timedelta(seconds=self.site.routing.lease_seconds)

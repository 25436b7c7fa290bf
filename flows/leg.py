"""A leg: the time in which a run works on its order, from being woken to resting."""

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any
from uuid import uuid4

from prefect.exceptions import Abort
from sqlmodel import Session

from flows.runtime import PREFECT, Runtime
from radflow.clock import utc_now
from radflow.connectors.errors import Refused, Unavailable
from radflow.order import FINISHED, Event, State
from radflow.settings import settings
from radflow.store import orders
from radflow.store.engine import store
from tasks.waiting import Waiting


class Leg:
    """Holds the order by a lease, which it renews while it lives. Only the holder may record a step."""

    def __init__(self, order_key: str, runtime: Runtime = PREFECT) -> None:
        self.key = order_key
        self._runtime = runtime
        self.id = f"leg-{uuid4().hex[:12]}"
        self._lease = timedelta(seconds=settings().leg_lease_seconds)
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=self.id, daemon=True)

    def __enter__(self) -> "Leg":
        try:
            self._look()
        except orders.LegLost as error:
            raise self._aborted() from error
        self._keeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._keeper.join()
        if isinstance(error, orders.LegLost):
            raise self._aborted() from error

    def _aborted(self) -> Abort:
        return Abort(f"another leg works on {self.key}")

    @property
    def state(self) -> State:
        return self._seen.state

    @property
    def site(self) -> str:
        """The order's site."""
        return self._seen.order.site

    @property
    def finished(self) -> bool:
        """Whether the order has come to its end; the leg then lets go of it."""
        if self.state not in FINISHED:
            return False
        try:
            return self._let_go()
        except orders.LegLost:
            # News have just reopened it: a run of its own goes on from here.
            return True

    def first_undone(self, steps: Iterable[Any]) -> Any | None:
        """The first of the steps that is not yet done in this chapter."""
        return next((step for step in steps if step.name not in self._seen.progress.steps_done), None)

    def do(self, step: Any) -> None:
        """Do the step and record it; when it fails, record that and rest until it is to be tried again.

        A step that waits is not recorded: the order rests until it is nudged.
        """
        try:
            detail = self._runtime.call(step, self.key)
        except Unavailable as error:
            self._failed(step.name, str(error), again=True, asked=error.retry_after)
        except Refused as error:
            self._failed(step.name, str(error), again=False)
        except Exception as error:
            # The text of an unforeseen error may hold patient data; its type does not.
            self._runtime.log().debug("step %s failed", step.name, exc_info=True)
            self._failed(step.name, f"unforeseen {type(error).__name__}", again=True)
        else:
            if isinstance(detail, Waiting):
                self._runtime.log().info("%s of %s: %s", step.name, self.key, detail.reason)
                self.rest(nudges=self._seen.nudges)
            else:
                self.record(Event.STEP_COMPLETED, step=step.name, detail=detail)

    def record(self, event: Event, *, step: str | None = None, detail: dict[str, Any] | None = None) -> None:
        """Append to the order's log, and look again. What news have overtaken does not count as done."""
        now = utc_now()
        with store().write() as session:
            orders.record(
                session, self.key, event, source=self.id, occurred_at=now, now=now, step=step, detail=detail,
                leg=self.id, revision=self._seen.progress.revision,
            )  # fmt: skip
            session.flush()
            self._look_in(session)

    def rest(self, wake_at: datetime | None = None, nudges: int | None = None) -> None:
        """Suspend the run until news come or the time is there; returns only if news came meanwhile.

        Args:
            nudges: those seen before a step began to wait; another one since then counts as news.
        """
        if not self._let_go(wake_at, nudges):
            self._look()
            return
        self._over.set()
        self._runtime.suspend(self.id)

    def _let_go(self, wake_at: datetime | None = None, nudges: int | None = None) -> bool:
        self._runtime.show(self.key)
        with store().write() as session:
            return orders.rest(
                session, self.key, leg=self.id, revision=self._seen.progress.revision, now=utc_now(),
                wake_at=wake_at, nudges=nudges,
            )  # fmt: skip

    def _failed(self, step: str, reason: str, *, again: bool, asked: timedelta = timedelta(0)) -> None:
        """`asked`: how long the other side asks to be left alone; heeded up to the longest pause."""
        self.record(Event.STEP_FAILED, step=step, detail={"reason": reason, "again": again})
        self._runtime.log().warning("%s of %s failed: %s", step, self.key, reason)
        self.rest(utc_now() + max(self._pause(), min(asked, self._longest)) if again else None)

    def _pause(self) -> timedelta:
        pause = settings().retry_seconds * 2.0 ** (self._seen.attempts - 1)
        return timedelta(seconds=min(settings().retry_max_seconds, pause))

    @property
    def _longest(self) -> timedelta:
        return timedelta(seconds=settings().retry_max_seconds)

    def _look(self) -> None:
        with store().write() as session:
            self._look_in(session)

    def _look_in(self, session: Session) -> None:
        self._seen = orders.look(session, self.key, leg=self.id, now=utc_now(), lease=self._lease)

    def _keep(self) -> None:
        while not self._over.wait(self._lease.total_seconds() / 3):
            try:
                with store().write() as session:
                    orders.renew(session, self.key, leg=self.id, now=utc_now(), lease=self._lease)
            except orders.LegLost:
                return

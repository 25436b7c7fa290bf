"""All of radflow in one process, one thing after the other, under a clock that is set by hand.

The listener, the DICOM service and the receivers are real, on loopback (`services.py`). What Prefect and the
long-running services do on their own time is done here when it is asked for: messages are taken in, legs run,
queues drain, archives are swept, until nothing is due. So a day passes in minutes, and a test sleeps never.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta

from prefect.client.schemas.objects import StateType
from prefect.exceptions import Abort

from flows.leg import Leg
from flows.order import live
from flows.runtime import DirectRuntime, Rested, Runtime
from flows.sweep import ask_archives
from radflow.clock import kept_by, utc_now
from radflow.connectors.hl7_destination import open_destination
from radflow.connectors.orchestrator import NoSuchRun, RunState
from radflow.services.dispatcher import Dispatcher
from radflow.services.sender import Outlet, drain
from radflow.settings import settings
from radflow.store.engine import Store
from tasks.overdue import look_at_limits
from tasks.sweep import search_archive

_MOST_ROUNDS = 10_000
"""In one `settle`: something that goes on for so long goes round in a circle."""


class Crashed(BaseException):
    """What a runtime raises to have a leg end as if its process had been killed."""


class SetClock:
    """A clock that stands still until it is set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


class Legs:
    """Prefect's part: one run an order and round, whose legs run when they are asked for."""

    def __init__(self, runtime: Runtime) -> None:
        self.done = 0
        """Legs so far."""
        self._runtime = runtime
        self._states: dict[str, RunState] = {}
        self._orders: dict[str, str] = {}
        self._due: deque[str] = deque()

    def create_run(self, order_key: str, round_: int, tags: Sequence[str]) -> str:
        run_id = f"{order_key}:{round_}"
        if run_id not in self._states:
            self._orders[run_id] = order_key
            self.schedule_anew(run_id)
        return run_id

    def resume(self, run_id: str) -> bool:
        if run_id not in self._states:
            raise NoSuchRun(run_id)
        paused = self._states[run_id].type is StateType.PAUSED
        if paused:
            self.schedule_anew(run_id)
        return paused

    def states(self, run_ids: Sequence[str]) -> dict[str, RunState]:
        return {run_id: self._states[run_id] for run_id in run_ids if run_id in self._states}

    def schedule_anew(self, run_id: str) -> None:
        self._say(run_id, StateType.SCHEDULED)
        self._due.append(run_id)

    def run_due(self) -> bool:
        """Run the legs that are scheduled; whether there were any."""
        any_ = bool(self._due)
        while self._due:
            run_id = self._due.popleft()
            self._say(run_id, StateType.RUNNING)
            self._say(run_id, self._run(self._orders[run_id]))
        return any_

    def _run(self, order_key: str) -> StateType:
        self.done += 1
        try:
            with Leg(order_key, self._runtime) as leg:
                live(leg)
        except Rested:
            return StateType.PAUSED
        except (Abort, Crashed):
            return StateType.CRASHED
        return StateType.COMPLETED

    def _say(self, run_id: str, state: StateType) -> None:
        self._states[run_id] = RunState(state, utc_now())


class Engine:
    """radflow's dispatcher, legs, sender and sweep, when they are asked for."""

    def __init__(self, store: Store, clock: SetClock, runtime: Runtime) -> None:
        self.clock = clock
        self._store = store
        self.legs = Legs(runtime)
        self._dispatcher = Dispatcher(store, self.legs)
        self._outlets = [
            Outlet(store, name, destination, open_destination(destination), holder="engine", jitter=lambda: 0)
            for name, site in settings().sites.items()
            for destination in site.destinations
        ]

    def settle(self) -> None:
        """Do all that is due at the clock's time.

        Raises:
            RuntimeError: there is no end to it.
        """
        for _ in range(_MOST_ROUNDS):
            looked = self._dispatcher.look()
            ran = self.legs.run_due()
            sent = [bool(drain(outlet)) for outlet in self._outlets]
            if not (looked or ran or any(sent)):
                return
        raise RuntimeError("radflow does not come to rest")

    def sweep(self) -> set[str]:
        """Ask every archive that is to be asked now; the orders that have got images, or other ones."""
        found = ask_archives(search_archive.fn)
        self.settle()
        return found

    def look_at_limits(self) -> list[str]:
        """Note which orders are overdue, and close those that expire; keys of those that it is news of."""
        noted = look_at_limits(self._store, settings().sites, self.clock.now)
        self.settle()
        return noted

    def advance(self, by: timedelta) -> None:
        """Let time pass, and do what is due then."""
        self.clock.advance(by)
        self.settle()

    def close(self) -> None:
        """Hang up."""
        for outlet in self._outlets:
            outlet.client.close()


@contextmanager
def running_engine(store: Store, now: datetime, runtime: Runtime | None = None) -> Iterator[Engine]:
    """An engine whose clock is everybody's in this process, until the end.

    Args:
        store: the one that the settings name, for flows and tasks open it by them.
        runtime: of the legs; None: `DirectRuntime`.
    """
    clock = SetClock(now)
    with ExitStack() as stack:
        stack.enter_context(kept_by(clock))
        engine = Engine(store, clock, runtime or DirectRuntime())
        stack.callback(engine.close)
        yield engine

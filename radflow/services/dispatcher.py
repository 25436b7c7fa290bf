"""The dispatcher: stored messages become events of orders, and orders that want a leg get one."""

from datetime import timedelta

import structlog

from radflow.clock import utc_now
from radflow.connectors.orchestrator import Orchestrator, OrchestratorUnavailable, PrefectOrchestrator
from radflow.services.intake import take_in
from radflow.settings import settings
from radflow.stopping import Stop
from radflow.store import orders
from radflow.store.engine import Store, store
from radflow.store.watch import Watch
from tasks.wake import wake_orders

log = structlog.get_logger()

BATCH = 200


class Dispatcher:
    """Looks at the store, does what it finds, looks again. Holds nothing that a restart would lose."""

    def __init__(self, store: Store, orchestrator: Orchestrator) -> None:
        self._store = store
        self._orchestrator = orchestrator
        self._prefect_answers = True
        self._ask_prefect_at = utc_now()

    def look(self) -> bool:
        """One round: take in messages, wake orders; whether there was anything to do."""
        taken = take_in(self._store, settings().sites, utc_now(), BATCH)
        return bool(self._wake()) or bool(taken)

    def _wake(self) -> bool:
        now = utc_now()
        if now < self._ask_prefect_at:
            return False
        try:
            woken = wake_orders(self._store, self._orchestrator, now, BATCH)
        except OrchestratorUnavailable as error:
            if self._prefect_answers:
                log.warning("Prefect is away; orders wait", reason=str(error))
            self._prefect_answers, self._ask_prefect_at = False, now + timedelta(seconds=2)
            return False
        if not self._prefect_answers:
            log.info("Prefect is back")
            self._prefect_answers = True
        if woken:
            log.info(
                "woken", created=len(woken.created), resumed=len(woken.resumed), rescued=len(woken.rescued)
            )
        return bool(woken)

    def remake_lost_runs(self) -> int:
        """Make the runs of open orders anew that Prefect has lost, as with its database; returns how many."""
        lost = 0
        with self._store.read() as session:
            open_orders = [(row.key, row.run_id) for row in orders.open_with_run(session) if row.run_id]
        for start in range(0, len(open_orders), BATCH):
            page = open_orders[start : start + BATCH]
            known = self._orchestrator.states([run_id for _, run_id in page])
            missing = [key for key, run_id in page if run_id not in known]
            with self._store.write() as session:
                orders.forget_runs(session, missing, utc_now())
            lost += len(missing)
        return lost

    def run(self, stop: Stop) -> None:
        """Work until told to stop."""
        checked, watch = False, Watch(self._store)
        while not stop.told:
            seen = watch.version()
            try:
                if not checked:
                    checked = self._check_runs()
                busy = self.look()
            except Exception:
                # The store may be away for a moment; a dispatcher that has died would be away for good.
                log.exception("dispatcher: a round failed")
                busy = False
            if not busy:
                watch.wait(seen, stop)
        watch.close()

    def _check_runs(self) -> bool:
        try:
            lost = self.remake_lost_runs()
        except OrchestratorUnavailable:
            return False
        if lost:
            log.warning("runs that Prefect has lost are made anew", orders=lost)
        return True


def run_dispatcher() -> None:
    """Run until SIGTERM or SIGINT."""
    stop = Stop().on_signals()
    store().migrate()
    log.info("dispatcher started", sites=list(settings().sites))
    Dispatcher(store(), PrefectOrchestrator()).run(stop)
    log.info("dispatcher stopped")

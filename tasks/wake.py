"""Give a leg to every order that wants one: make its run, resume it, or run a lost leg again.

The dispatcher does this all the time; each sweep does it once more, as the safety net.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from prefect.client.schemas.objects import StateType
from sqlmodel import Session

from radflow.connectors.orchestrator import NoSuchRun, Orchestrator, OrchestratorUnavailable
from radflow.store import orders
from radflow.store.engine import Store
from radflow.store.tables import OrderRow

PATIENCE = timedelta(seconds=30)
"""How long a scheduled leg may take to start before its order is looked at again."""
SOON = timedelta(seconds=1)


@dataclass
class Woken:
    """What one round of waking has done."""

    created: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    rescued: list[str] = field(default_factory=list)
    """Orders whose leg was lost and is scheduled again."""

    def __bool__(self) -> bool:
        return bool(self.created or self.resumed or self.rescued)


def wake_orders(store: Store, orchestrator: Orchestrator, now: datetime, limit: int = 200) -> Woken:
    """Wake the orders whose time has come, at most `limit` of them.

    An order is claimed before Prefect is called, so that neither two wakers nor a leg that starts at
    once make a second leg of it.

    Raises:
        OrchestratorUnavailable: Prefect does not answer; the orders that were not woken still want to be.
    """
    with store.write() as session:
        claimed = list(orders.wanting_a_leg(session, now, limit))
        for row in claimed:
            row.wake_at = now + PATIENCE
            session.add(row)
    woken = Woken()
    while claimed:
        try:
            _wake(store, orchestrator, claimed[-1], now, woken)
        except OrchestratorUnavailable:
            _unclaim(store, claimed, now)
            raise
        claimed.pop()
    return woken


def _wake(store: Store, orchestrator: Orchestrator, row: OrderRow, now: datetime, woken: Woken) -> None:
    if row.run_id is None:
        run_id = orchestrator.create_run(row.key, row.round, tags_of(row))
        with store.write() as session:
            _reload(session, row).run_id = run_id
        woken.created.append(row.key)
        return
    try:
        if orchestrator.resume(row.run_id):
            woken.resumed.append(row.key)
            return
        state = orchestrator.state_of(row.run_id)
    except NoSuchRun:
        # Prefect's database was lost, or the run deleted: the store makes it anew.
        with store.write() as session:
            fresh = _reload(session, row)
            fresh.run_id, fresh.wake_at = None, now
        return
    if state.type is StateType.SCHEDULED:
        return
    if state.type is StateType.PENDING and now - state.since < PATIENCE:
        return
    if state.type is StateType.RUNNING and row.leg_until and row.leg_until > now:
        # A live leg sees the news by itself; one that is about to rest is asked again in a moment.
        with store.write() as session:
            fresh = _reload(session, row)
            fresh.wake_at = row.leg_until if row.leg else now + SOON
        return
    orchestrator.schedule_anew(row.run_id)
    woken.rescued.append(row.key)


def _unclaim(store: Store, rows: list[OrderRow], now: datetime) -> None:
    with store.write() as session:
        for row in rows:
            _reload(session, row).wake_at = now


def _reload(session: Session, row: OrderRow) -> OrderRow:
    return session.get_one(OrderRow, row.key, with_for_update=True)


def tags_of(row: OrderRow) -> list[str]:
    """What ops filter runs by: site, modality, stage, and whether a person is needed. No patient data."""
    tags = [f"site:{row.site}", f"modality:{row.modality}", f"stage:{row.state}"]
    return [*tags, "attention"] if row.trouble else tags

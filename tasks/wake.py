"""Give a leg to every order that wants one: make its run, resume it, or run a lost leg again.

The dispatcher does this all the time; each sweep does it once more, as the safety net.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from prefect.client.schemas.objects import StateType
from sqlmodel import Session

from radflow.connectors.orchestrator import NoSuchRun, Orchestrator, OrchestratorUnavailable, RunState
from radflow.store import orders
from radflow.store.engine import Store
from radflow.store.tables import OrderRow

PATIENCE = timedelta(seconds=30)
"""How long a scheduled leg may take to start before its order is looked at again."""
IN_LINE = timedelta(minutes=5)
"""The longest time between two looks at a leg that stands in line, so that a long line is not all looks."""
SOON = timedelta(seconds=1)
AT_ONCE = 4
"""Calls to Prefect's server that do not wait for each other: more would wait for it."""
STOPPED = "its run was cancelled in Prefect: `radflow orders wake` lets it go on"


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
    """Wake the orders whose time has come, at most `limit` of them, some at the same time.

    An order is claimed before Prefect is called, so that neither two wakers nor a leg that starts at
    once make a second leg of it.

    Raises:
        OrchestratorUnavailable: Prefect does not answer; the orders that were not woken still want to be.
    """
    with store.write() as session:
        wanting = orders.wanting_a_leg(session, now, limit)
        claimed = [_Claim(row, row.wake_at == row.leg_until) for row in wanting]
        for claim in claimed:
            claim.row.wake_at = now + PATIENCE
            session.add(claim.row)
    if not claimed:
        return Woken()
    answers = _asked_all(orchestrator, now, claimed)
    woken = Woken()
    with store.write() as session:
        for claim, answer in zip(claimed, answers, strict=True):
            row = _reload(session, claim.row)
            # News, or the leg itself, that came while Prefect was asked say better when it is to wake.
            overtaken = {"wake_at"} if row.wake_at != now + PATIENCE else set()
            for column in answer.becomes.keys() - overtaken:
                setattr(row, column, answer.becomes[column])
            if answer.done:
                getattr(woken, answer.done).append(claim.row.key)
    for answer in answers:
        if answer.unavailable:
            raise answer.unavailable
    return woken


@dataclass(frozen=True)
class _Claim:
    """An order that wants a leg."""

    row: OrderRow
    lease_ended: bool
    """It wants one for no other reason than that its last leg has not given it back."""


@dataclass(frozen=True)
class _Answer:
    """What Prefect has done for an order, and what is to be noted of it."""

    done: str = ""
    """The list of `Woken` that it belongs to."""
    becomes: dict[str, Any] = field(default_factory=dict)
    """Columns of the order."""
    unavailable: OrchestratorUnavailable | None = None


def _asked_all(orchestrator: Orchestrator, now: datetime, claims: Sequence[_Claim]) -> list[_Answer]:
    runs = [claim.row.run_id for claim in claims if claim.row.run_id]
    try:
        # One is resumed without a look: as a rule it is suspended.
        states = orchestrator.states(runs) if len(runs) > 1 else {}
    except OrchestratorUnavailable as error:
        return [_away(now, error)] * len(claims)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(partial(_asked, orchestrator, now, states), claims))


def _asked(
    orchestrator: Orchestrator, now: datetime, states: Mapping[str, RunState], claim: _Claim
) -> _Answer:
    try:
        return _wake(orchestrator, now, claim, states.get(claim.row.run_id or ""))
    except OrchestratorUnavailable as error:
        return _away(now, error)


def _away(now: datetime, error: OrchestratorUnavailable) -> _Answer:
    return _Answer(becomes={"wake_at": now}, unavailable=error)


def _wake(orchestrator: Orchestrator, now: datetime, claim: _Claim, state: RunState | None) -> _Answer:
    """`state`: the run's, where it is known already."""
    row = claim.row
    if row.run_id is None:
        run_id = orchestrator.create_run(row.key, row.round, tags_of(row))
        return _Answer("created", {"run_id": run_id})
    try:
        if state is None or state.type is StateType.PAUSED:
            if orchestrator.resume(row.run_id):
                return _Answer("resumed")
            state = orchestrator.states([row.run_id]).get(row.run_id)
    except NoSuchRun:
        state = None
    if state is None:
        # Prefect's database was lost, or the run deleted: the store makes it anew.
        return _Answer(becomes={"run_id": None, "wake_at": now})
    if state.type is StateType.SCHEDULED:
        return _Answer(becomes={"wake_at": now + min(max(PATIENCE, now - state.since), IN_LINE)})
    if state.type in (StateType.PENDING, StateType.CANCELLING) and now - state.since < PATIENCE:
        return _Answer(becomes={"wake_at": state.since + PATIENCE})
    if state.type is StateType.CANCELLED:
        if row.leg and claim.lease_ended:
            # A person has stopped this leg. The order rests until it has news, or is woken by hand.
            return _Answer(becomes={"leg": None, "leg_until": None, "wake_at": None, "trouble": STOPPED})
    elif (state.type is StateType.RUNNING or row.leg) and row.leg_until and row.leg_until > now:
        # A live leg sees the news by itself; one that is about to rest is asked again in a moment.
        return _Answer(becomes={"wake_at": row.leg_until if row.leg else now + SOON})
    orchestrator.schedule_anew(row.run_id)
    return _Answer("rescued")


def _reload(session: Session, row: OrderRow) -> OrderRow:
    return session.get_one(OrderRow, row.key, with_for_update=True)


def tags_of(row: OrderRow) -> list[str]:
    """What ops filter runs by: site, modality, stage, whether a person is needed, whether it is overdue.

    No patient data.
    """
    tags = [f"site:{row.site}", f"modality:{row.modality}", f"stage:{row.state}"]
    tags += ["attention"] if row.trouble else []
    return [*tags, "overdue"] if row.overdue_in else tags

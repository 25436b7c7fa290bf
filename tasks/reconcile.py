"""Asking people: a run in Prefect for each study that may be an order's, until that is decided."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from prefect.client.schemas.objects import TERMINAL_STATES, StateType

from radflow.connectors.orchestrator import PrefectQuestions, RunState
from radflow.store import candidates
from radflow.store.engine import Store
from radflow.store.tables import OrderRow, StudyCandidate

AT_ONCE = 200
"""Runs that are made, or looked at, by one sweep."""
_LOST_AFTER = timedelta(minutes=5)
"""A run that has an answer needs a moment; one that runs for so long has lost its process."""


def keep_up_questions(store: Store, prefect: PrefectQuestions, now: datetime) -> None:
    """Make a run for each candidate that has none, and end those whose question is answered or of no use.

    Raises:
        OrchestratorUnavailable: Prefect does not answer; the next sweep goes on from here.
    """
    _end(store, prefect)
    _look_after(store, prefect, now)
    with store.read() as session:
        fresh = [
            (row, session.get_one(OrderRow, row.order_key)) for row in candidates.to_ask(session, AT_ONCE)
        ]
    for row, order in fresh:
        _set_run(store, row, _ask(prefect, row, order))


def _end(store: Store, prefect: PrefectQuestions) -> None:
    with store.read() as session:
        rows = candidates.asked_in_vain(session, AT_ONCE)
    for row, state in _with_states(prefect, rows):
        if state and state.type is StateType.RUNNING:
            continue
        if state and state.type not in TERMINAL_STATES:
            decided = f"{row.decision} by {row.decided_by}"
            prefect.close(str(row.run_id), decided if row.decision else "the order has its images")
        _set_run(store, row, None)


def _look_after(store: Store, prefect: PrefectQuestions, now: datetime) -> None:
    with store.read() as session:
        rows = candidates.asked(session)
    for row, state in _with_states(prefect, rows):
        if state is None:
            # Prefect's database was lost, or the run deleted: it is made anew.
            _set_run(store, row, None)
        elif state.type is StateType.RUNNING and now - state.since > _LOST_AFTER:
            prefect.run_again(str(row.run_id))


def _with_states(
    prefect: PrefectQuestions, rows: Sequence[StudyCandidate]
) -> Iterator[tuple[StudyCandidate, RunState | None]]:
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        states = prefect.states([str(row.run_id) for row in some])
        yield from ((row, states.get(str(row.run_id))) for row in some)


def _ask(prefect: PrefectQuestions, row: StudyCandidate, order: OrderRow) -> str:
    # The same question may come up again after the study was unlinked: then the order has another revision.
    name = f"reconcile-{order.key}-{row.id}"
    tags = [f"site:{order.site}", f"modality:{order.modality}", "attention"]
    return prefect.ask(name, {"candidate": row.id}, tags, f"{name}:{order.revision}")


def _set_run(store: Store, row: StudyCandidate, run_id: str | None) -> None:
    with store.write() as session:
        session.get_one(StudyCandidate, row.id, with_for_update=True).run_id = run_id

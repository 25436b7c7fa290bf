"""Asking a person by a real Prefect run: the form of the UI is answered, or the question is overtaken."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.states import Running
from prefect.testing.utilities import prefect_test_harness
from sqlmodel import select

from flows.reconcile import reconcile
from radflow.connectors.orchestrator import PrefectQuestions
from radflow.order import Event
from radflow.store import candidates, orders
from radflow.store.engine import Store
from radflow.store.tables import OrderEvent, OrderRow, StudyCandidate
from tasks.reconcile import keep_up_questions
from tests.builders import an_order
from tests.conftest import on_sqlite_alone
from tests.finding import a_study

pytestmark = on_sqlite_alone
KEY = an_order().key
_NUMBERS = count(1)
YES = {"decision": "confirm", "who": "Åse", "reason": "seen on the console"}


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    """A server with the deployment; what runs it is the test."""
    with prefect_test_harness(server_startup_timeout=300):
        with get_client(sync_client=True) as client:
            flow_id = client.create_flow(reconcile)
            client.create_deployment(
                flow_id, "radflow", entrypoint="flows.reconcile.reconcile", parameter_openapi_schema={}
            )
        yield


@pytest.fixture
def prefect() -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def candidate(installed: Path, store: Store, now: datetime) -> int:
    """A study that may be the order's; its number is this test's alone, as the server is all tests'."""
    with store.write() as session:
        orders.place(session, an_order(), source="test", occurred_at=now, now=now)
        study = a_study(study_instance_uid="9.9", accession_number="", started=now)
        number = next(_NUMBERS)
        session.add(
            StudyCandidate(
                id=number, order_key=KEY, study_instance_uid="9.9", archive="pacs",
                document=study.model_dump(mode="json"), proposed_at=now,
            )
        )  # fmt: skip
    return number


def asked(store: Store, now: datetime) -> str:
    """What the sweep does; returns the run that asks, suspended as a worker leaves it."""
    keep_up_questions(store, PrefectQuestions(), now)
    run_id = run_of(store)
    assert run_id is not None
    run_leg(run_id)
    return run_id


def run_of(store: Store) -> str | None:
    with store.read() as session:
        (row,) = session.exec(select(StudyCandidate))
        return row.run_id


def run_leg(run_id: str) -> None:
    """A leg of the run, as the worker's processes run it."""
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(run_id))
    try:
        run_flow(reconcile, flow_run=run, return_type="state", parameters=run.parameters)
    except Pause:
        return


def answered(prefect: SyncPrefectClient, run_id: str, answer: dict[str, Any]) -> SetStateStatus:
    """What the UI's form does."""
    return prefect.resume_flow_run(UUID(run_id), run_input=answer).status


def read(prefect: SyncPrefectClient, run_id: str) -> FlowRun:
    return prefect.read_flow_run(UUID(run_id))


def last_event(store: Store) -> OrderEvent:
    with store.read() as session:
        return orders.events_of(session, KEY)[-1]


def state(store: Store) -> str:
    with store.read() as session:
        return session.get_one(OrderRow, KEY).state


def test_a_person_confirms_in_the_ui(
    candidate: int, store: Store, now: datetime, prefect: SyncPrefectClient
) -> None:
    """The run waits, suspended; its answer links the study, and the order's log says who and why."""
    run_id = asked(store, now)
    run = read(prefect, run_id)
    assert (run.state_name, run.name) == ("Suspended", f"reconcile-{KEY}-{candidate}")
    assert run.parameters == {"candidate": candidate}
    assert answered(prefect, run_id, YES) is SetStateStatus.ACCEPT
    run_leg(run_id)
    run = read(prefect, run_id)
    assert run.state is not None
    assert (run.state.type, run.state.message) == (StateType.COMPLETED, "confirmed by Åse")
    event = last_event(store)
    assert (event.event, event.source) == (Event.STUDY_FOUND, "person:Åse")
    assert event.detail == {"candidate": candidate, "reason": "seen on the console"}
    assert state(store) == "acquired"
    keep_up_questions(store, PrefectQuestions(), now)
    assert run_of(store) is None


def test_a_refusal_is_in_the_log_too(
    candidate: int, store: Store, now: datetime, prefect: SyncPrefectClient
) -> None:
    """It moves nothing, and the study is not proposed again."""
    run_id = asked(store, now)
    assert answered(prefect, run_id, {"decision": "refuse", "who": "Åse"}) is SetStateStatus.ACCEPT
    run_leg(run_id)
    event = last_event(store)
    assert (event.event, event.source) == (Event.CANDIDATE_REFUSED, "person:Åse")
    assert state(store) == "received"
    with store.write() as session:
        study = a_study(study_instance_uid="9.9", accession_number="", started=now)
        assert not candidates.propose(session, KEY, study, now)


@pytest.mark.parametrize(
    "answer", [{}, {"decision": "perhaps", "who": "Åse"}, {"decision": "confirm", "who": ""}]
)
def test_an_answer_that_is_none_is_not_taken(
    answer: dict[str, Any], candidate: int, store: Store, now: datetime, prefect: SyncPrefectClient
) -> None:
    """The form says so, and the run goes on waiting."""
    run_id = asked(store, now)
    assert answered(prefect, run_id, answer) is SetStateStatus.REJECT
    assert read(prefect, run_id).state_name == "Suspended"


def test_one_run_a_candidate(candidate: int, store: Store, now: datetime, prefect: SyncPrefectClient) -> None:
    """Later sweeps make no other; a run that was deleted is made anew."""
    run_id = asked(store, now)
    keep_up_questions(store, PrefectQuestions(), now)
    assert run_of(store) == run_id
    prefect.delete_flow_run(UUID(run_id))
    keep_up_questions(store, PrefectQuestions(), now)
    assert asked(store, now) != run_id


def test_a_decision_from_elsewhere_ends_the_run(
    candidate: int, store: Store, now: datetime, prefect: SyncPrefectClient
) -> None:
    """`radflow reconcile refuse`: the next sweep ends the run that asks."""
    run_id = asked(store, now)
    with store.write() as session:
        candidates.refuse(session, candidate, by="erika", now=now)
    keep_up_questions(store, PrefectQuestions(), now)
    run = read(prefect, run_id)
    assert run.state is not None
    assert (run.state.type, run.state.message) == (StateType.COMPLETED, "refused by erika")
    assert run_of(store) is None


def test_an_answer_that_comes_too_late_changes_nothing(
    candidate: int, store: Store, now: datetime, prefect: SyncPrefectClient
) -> None:
    """The archive has shown the order's own images meanwhile."""
    run_id = asked(store, now)
    with store.write() as session:
        orders.record(session, KEY, Event.STUDY_FOUND, source="archive:pacs", occurred_at=now, now=now)
    assert answered(prefect, run_id, YES) is SetStateStatus.ACCEPT
    run_leg(run_id)
    assert last_event(store).source == "archive:pacs"


def test_an_overtaken_question_ends_by_itself(
    candidate: int, store: Store, now: datetime, prefect: SyncPrefectClient
) -> None:
    """The archive shows the order's own images, and nobody has to answer any more."""
    run_id = asked(store, now)
    with store.write() as session:
        orders.record(session, KEY, Event.STUDY_FOUND, source="archive:pacs", occurred_at=now, now=now)
    keep_up_questions(store, PrefectQuestions(), now)
    run = read(prefect, run_id)
    assert run.state is not None
    assert run.state.type is StateType.COMPLETED
    assert run_of(store) is None


def test_a_lost_process_loses_no_answer(
    candidate: int, store: Store, now: datetime, prefect: SyncPrefectClient
) -> None:
    """The answer is given, its leg dies: the run is scheduled again and does as the person says."""
    run_id = asked(store, now)
    assert answered(prefect, run_id, YES) is SetStateStatus.ACCEPT
    prefect.set_flow_run_state(UUID(run_id), Running(), force=True)
    started = read(prefect, run_id).state
    assert started is not None
    keep_up_questions(store, PrefectQuestions(), started.timestamp + timedelta(minutes=6))
    assert read(prefect, run_id).state_name == "Resuming"
    run_leg(run_id)
    assert state(store) == "acquired"

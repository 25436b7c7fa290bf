"""Scheduled runs that have piled up, on a Prefect server of the test's own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.states import Scheduled
from prefect.testing.utilities import prefect_test_harness

from flows.overtaken import overtaken


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=300):
        yield


@flow(persist_result=False)
def looks() -> bool:
    return overtaken()


def a_deployment(name: str) -> UUID:
    with get_client(sync_client=True) as client:
        return client.create_deployment(client.create_flow(looks), name=name)


def due(deployment: UUID, *minutes: float) -> list[UUID]:
    """Runs that were, or will be, due so many minutes from now."""
    now = datetime.now(UTC)
    with get_client(sync_client=True) as client:
        return [
            client.create_flow_run_from_deployment(
                deployment, state=Scheduled(scheduled_time=now + timedelta(minutes=offset))
            ).id
            for offset in minutes
        ]


def run(number: UUID) -> object:
    with get_client(sync_client=True) as client:
        return run_flow(looks, flow_run=client.read_flow_run(number))


def test_of_runs_that_pile_up_the_newest_works() -> None:
    """Those before it end at once; one of tomorrow overtakes nobody."""
    first, second, newest, _ = due(a_deployment("pile"), -120, -60, -1, 60)
    assert [run(number) for number in (first, second, newest)] == [True, True, False]


def test_a_late_run_without_a_later_one_works() -> None:
    """However late: of another deployment's runs it knows nothing."""
    due(a_deployment("other"), -1)
    (alone,) = due(a_deployment("alone"), -120)
    assert run(alone) is False


def test_what_has_ended_overtakes_nobody() -> None:
    """A run that was due later and is done has not seen what there is now."""
    first, second = due(a_deployment("done"), -60, -30)
    assert run(second) is False
    assert run(first) is False


def test_a_run_without_a_schedule() -> None:
    """By hand, or in a test."""
    assert looks() is False

"""When the worker asks by itself, without waiting for Prefect's events."""

from radflow.worker.rush import RUNS, WITHIN, Rush


def test_many_runs_within_a_short_time_are_a_rush() -> None:
    rush = Rush()
    rush.claimed(RUNS - 1, now=0.0)
    assert not rush.is_on(0.0)
    rush.claimed(1, now=1.0)
    assert rush.is_on(WITHIN - 1)
    assert not rush.is_on(WITHIN)


def test_the_few_runs_of_every_minute_are_none() -> None:
    """Sweep, limits, reports and routes: a worker that only has these looks when it is told to."""
    rush = Rush()
    for minute in range(10):
        rush.claimed(4, now=60.0 * minute)
        assert not rush.is_on(60.0 * minute)

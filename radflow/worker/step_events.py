"""What a step tells Prefect of itself: that it runs, and how it ends.

Prefect's server takes longer with the events of a leg's steps than with all else that the leg asks of it. A
third of them say that a step is about to run, some milliseconds before they say that it does: `Pending`.
Written against Prefect 3.8.
"""

from typing import Any

import prefect.task_engine
from prefect.client.schemas.objects import State, TaskRun
from prefect.events import Event
from prefect.utilities.engine import emit_task_run_state_change_event


def leave_out_pending() -> None:
    """From now on, in this process."""
    setattr(prefect.task_engine, "emit_task_run_state_change_event", _emit)  # noqa: B010 - not exported


def _emit(
    task_run: TaskRun,
    initial_state: State[Any] | None,
    validated_state: State[Any],
    follows: Event | None = None,
) -> Event | None:
    if validated_state.is_pending():
        return None
    return emit_task_run_state_change_event(task_run, initial_state, validated_state, follows)

"""Where a task says what ops should see."""

import logging
from typing import Any

from prefect import get_run_logger
from prefect.exceptions import MissingContextError


def run_log() -> Any:
    """The run's logger, whose lines the Prefect UI shows; where no run is, radflow's own."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("radflow.tasks")

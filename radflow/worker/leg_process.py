"""A warm process: reads flow runs from standard input, a line each, and runs them one after another.

Standard output belongs to the worker; what flows print goes to standard error. When the worker stops or
dies, standard input ends: the leg that runs may come to its end, for ten seconds at most, and no other
follows.
"""

import os
import queue
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from typing import Any, BinaryIO
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import Abort, Pause
from prefect.flow_engine import run_flow
from prefect.flows import Flow, load_flow_from_entrypoint

LAST_LEG_SECONDS = 10


def main() -> None:
    """Run legs until standard input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    import flows.order
    import flows.prune
    import flows.sweep  # noqa: F401  (imported before the first leg asks for them)

    legs: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, legs), daemon=True).start()
    while (leg := legs.get()) is not None:
        _run(FlowRun.model_validate_json(leg))
        with suppress(BrokenPipeError):
            answers.write(b"0\n")
            answers.flush()


def _read(lines: BinaryIO, legs: "queue.Queue[bytes | None]") -> None:
    for line in lines:
        legs.put(line)
    legs.put(None)
    time.sleep(LAST_LEG_SECONDS)
    os._exit(1)


def _run(flow_run: FlowRun) -> None:
    assert flow_run.deployment_id is not None
    try:
        run_flow(_flow(flow_run.deployment_id), flow_run=flow_run, return_type="state")
    except (Abort, Pause):
        # Suspended, or taken over by another leg: Prefect has been told already.
        return


@cache
def _flow(deployment_id: UUID) -> "Flow[..., Any]":
    with get_client(sync_client=True) as client:
        entrypoint = client.read_deployment(deployment_id).entrypoint
    assert entrypoint is not None
    return load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)


if __name__ == "__main__":
    main()

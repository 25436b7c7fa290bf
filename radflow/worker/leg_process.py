"""A warm process: reads flow runs from standard input, a line each, and runs them one after another.

Standard output belongs to the worker; what flows print goes to standard error. When the worker stops or
dies, standard input ends: the leg that runs may come to its end, for ten seconds at most, and no other
follows. The line `cancel` ends the leg that runs, and the process.

Timeouts, heartbeats and logs of a run are `run_flow`'s, as they are in Prefect's own process worker.
"""

import os
import queue
import signal
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from typing import Any, BinaryIO
from uuid import UUID

from prefect._internal import control_listener
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import Abort, Pause, TerminationSignal
from prefect.flow_engine import run_flow
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.logging.loggers import flow_run_logger

from radflow.worker.leg_client import LegClient, connection

LAST_LEG_SECONDS = 10
CANCEL = b"cancel\n"
RESTS_BY_ITSELF = "order"
"""The flow whose legs end within seconds. For any other, Prefect watches over a connection of its own whether
someone suspends the run from outside; that would cost such a leg more than all its steps."""


def main() -> None:
    """Run legs until standard input ends, or one is cancelled."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    import flows.order
    import flows.prune
    import flows.sweep  # noqa: F401  (imported before the first leg asks for them)

    legs: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, legs), daemon=True).start()
    # One connection for all legs.
    with connection() as context:
        while (leg := legs.get()) is not None:
            status = _run(FlowRun.model_validate_json(leg), context.client)
            with suppress(BrokenPipeError):
                answers.write(b"%d\n" % status)
                answers.flush()


def _read(lines: BinaryIO, legs: "queue.Queue[bytes | None]") -> None:
    for line in lines:
        if line == CANCEL:
            _cancel()
        else:
            legs.put(line)
    legs.put(None)
    time.sleep(LAST_LEG_SECONDS)
    os._exit(1)


def _cancel() -> None:
    # As Prefect's runner does it: with this intent a SIGTERM ends the run as cancelled, not as crashed.
    control_listener._set_intent("cancel")
    os.kill(os.getpid(), signal.SIGTERM)


def _run(flow_run: FlowRun, client: SyncPrefectClient) -> int:
    assert flow_run.deployment_id is not None
    assert isinstance(client, LegClient)
    try:
        flow = _flow(flow_run.deployment_id)
        client.begin(flow_run)
        if flow.name == RESTS_BY_ITSELF:
            flow_run.deployment_id = None
        run_flow(flow, flow_run=flow_run, return_type="state")
    except (Abort, Pause):
        # Suspended, or taken over by another leg: Prefect has been told already.
        return 0
    except TerminationSignal:
        # Cancelled, and Prefect has been told. What the leg had open may be half done: no other follows.
        sys.exit(0)
    except Exception:
        flow_run_logger(flow_run).exception("The flow could not be run.")
        return 1
    return 0


@cache
def _flow(deployment_id: UUID) -> "Flow[..., Any]":
    with get_client(sync_client=True) as client:
        entrypoint = client.read_deployment(deployment_id).entrypoint
    assert entrypoint is not None
    return load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)


if __name__ == "__main__":
    main()

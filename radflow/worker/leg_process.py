"""A warm process: runs the flow runs that it reads from standard input, a line each, one after another.

Its arguments are modules, which it imports first.

Standard input and output belong to the worker: flows, and what they start, have an empty input, and what
they print goes to standard error. When the worker stops or dies, standard input ends: the leg that runs may
come to its end (last_leg.py), and no other follows. The line `cancel` ends the leg, and the process.

Timeouts and logs of a run are `run_flow`'s, as they are in Prefect's own process worker.
"""

import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from prefect._internal import control_listener
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.engine import _drive_run_flow_result
from prefect.exceptions import Abort, Pause, TerminationSignal
from prefect.flow_engine import run_flow
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.logging.loggers import flow_run_logger
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, get_current_settings, temporary_settings

from radflow.worker.heartbeats import heartbeats
from radflow.worker.last_leg import end_soon
from radflow.worker.leg_client import LegClient, connection
from radflow.worker.step_events import leave_out_pending

CANCEL = b"cancel\n"
RESTS_BY_ITSELF = "order"
"""The flow whose legs end within seconds. For any other, Prefect watches over a connection of its own whether
someone suspends the run from outside; that would cost such a leg more than all its steps."""


def main() -> None:
    """Run legs until standard input ends, or one is cancelled."""
    lines, answers = _pipes()
    # Where no flow runs that would take it: so that what was logged is still sent.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for module in sys.argv[1:]:
        import_module(module)
    legs: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_read, args=(lines, legs), daemon=True).start()
    leave_out_pending()
    every = get_current_settings().flows.heartbeat_frequency
    # One connection for all legs.
    with connection() as context, temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        while (leg := legs.get()) is not None:
            run = FlowRun.model_validate_json(leg)
            with heartbeats(run, every):
                status = _run(run, context.client)
            with suppress(BrokenPipeError):
                answers.write(b"%d\n" % status)
                answers.flush()


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes from and to the worker, out of the flows' reach."""
    lines = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return lines, answers


def _read(lines: BinaryIO, legs: "queue.Queue[bytes | None]") -> None:
    for line in lines:
        if line == CANCEL:
            _cancel()
        else:
            legs.put(line)
    legs.put(None)
    end_soon()


def _cancel() -> None:
    # As Prefect's runner does it: with this intent a SIGTERM ends the run as cancelled, not as crashed.
    control_listener._set_intent("cancel")
    os.kill(os.getpid(), signal.SIGTERM)


def _run(flow_run: FlowRun, client: SyncPrefectClient) -> int:
    assert isinstance(client, LegClient)
    try:
        flow = _flow(flow_run.deployment_id)
        client.begin(flow_run)
        if flow.name == RESTS_BY_ITSELF:
            flow_run.deployment_id = None
        _drive_run_flow_result(flow, run_flow(flow, flow_run=flow_run, return_type="state"))
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
def _flow(deployment_id: UUID | None) -> "Flow[..., Any]":
    if deployment_id is None:
        raise LookupError("The deployment of this run was deleted.")
    with get_client(sync_client=True) as client:
        entrypoint = client.read_deployment(deployment_id).entrypoint
    assert entrypoint is not None
    return load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)


if __name__ == "__main__":
    main()

"""Backfills: work on what is there already, in bounded memory, continued where it was cut off."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

from prefect import flow, get_run_logger

from flows.backfill_artifacts import Progress, show_result
from flows.task_runner import task_runner
from radflow.clock import utc_now
from radflow.settings import settings
from radflow.store import backfills
from radflow.store.backfills import BackfillBusy, BackfillState
from radflow.store.engine import store
from radflow.store.tables import Backfill
from tasks.backfill import KINDS, ImportStudies, Pace, Parameters, RebuildWarehouse, Remap, RepublishFhir
from tasks.backfill.work import do_items

PLANNED_AT_ONCE = 1_000
"""Items that are listed in one transaction."""
CHUNKS_AHEAD = 4
"""Tasks of a round, for each that runs at once: a slow one holds up little, and memory is bounded."""

_PACE = Pace()


class BackfillIncomplete(RuntimeError):
    """Some items have failed; the ledger says why, and the next run of these parameters tries them again."""


@flow(name="rebuild-warehouse", persist_result=False)
def rebuild_warehouse(what: RebuildWarehouse, pace: Pace = _PACE) -> dict[str, int]:
    """Write the warehouse's days anew from the store. Raises BackfillIncomplete, BackfillBusy."""
    return run_backfill("rebuild-warehouse", what, pace)


@flow(name="republish-fhir", persist_result=False)
def republish_fhir(what: RepublishFhir, pace: Pace = _PACE) -> dict[str, int]:
    """Publish orders to the FHIR servers once more. Raises BackfillIncomplete, BackfillBusy."""
    return run_backfill("republish-fhir", what, pace)


@flow(name="import-studies", persist_result=False)
def import_studies(what: ImportStudies, pace: Pace = _PACE) -> dict[str, int]:
    """Take the studies that an archive has of past days. Raises BackfillIncomplete, BackfillBusy."""
    return run_backfill("import-studies", what, pace)


@flow(name="remap", persist_result=False)
def remap(what: Remap, pace: Pace = _PACE) -> dict[str, int]:
    """Read the orders' messages again with the tables of now. Raises BackfillIncomplete, BackfillBusy."""
    return run_backfill("remap", what, pace)


def run_backfill(kind: str, what: Parameters, pace: Pace) -> dict[str, int]:
    """Do what is left of the backfill of these parameters; how many items there are of each outcome."""
    with _held(kind, what.model_dump(mode="json")) as backfill:
        assert backfill.id is not None
        _plan(kind, what, backfill)
        work_through.with_options(task_runner=task_runner(pace.concurrency))(
            kind, backfill.parameters, backfill.id, pace
        )
        with store().write() as session:
            state = backfills.finish(session, backfill.id, utc_now())
            counts = dict(backfills.counts(session, backfill.id))
        show_result(backfill.id, kind, counts)
    if state is BackfillState.INCOMPLETE:
        raise BackfillIncomplete(
            f"{counts['failed']} items of backfill {backfill.id} have failed: `radflow backfill show "
            f"{backfill.id}` says why. The next run with the same parameters tries them again."
        )
    return counts


@flow(name="backfill-work", persist_result=False)
def work_through(kind: str, parameters: dict[str, Any], backfill_id: int, pace: Pace) -> None:
    """Do all pending items, a round of tasks at a time; memory holds the round, however many there are."""
    progress = Progress(backfill_id, kind)
    while True:
        with store().read() as session:
            round_ = backfills.pending(session, backfill_id, pace.chunk * pace.concurrency * CHUNKS_AHEAD)
        if not round_:
            return
        futures = [
            do_items.submit(kind, parameters, round_[start : start + pace.chunk])
            for start in range(0, len(round_), pace.chunk)
        ]
        for future in futures:
            future.result()
        progress.show()


def _plan(kind: str, what: Parameters, backfill: Backfill) -> None:
    """List the items, from the last one that was listed."""
    assert backfill.id is not None
    planned, state = backfill.planned, backfill.state
    while state == BackfillState.PLANNING:
        with store().read() as session:
            items = KINDS[kind].plan(session, what, planned, PLANNED_AT_ONCE)
        with store().write() as session:
            backfills.plan(session, backfill.id, items)
        if not items:
            return
        planned = items[-1]


@contextmanager
def _held(kind: str, parameters: dict[str, Any]) -> Iterator[Backfill]:
    """The backfill, held by a lease that is renewed while this run lives: one run works on it."""
    holder, lease = f"run-{uuid4().hex[:12]}", timedelta(seconds=settings().leg_lease_seconds)
    with store().write() as session:
        row = backfills.begin(session, kind, parameters, holder=holder, now=utc_now(), lease=lease)
    assert row.id is not None
    backfill_id = row.id
    get_run_logger().info("backfill %s, %s", backfill_id, row.state)
    over = threading.Event()

    def keep() -> None:
        while not over.wait(lease.total_seconds() / 3):
            try:
                with store().write() as session:
                    backfills.renew(session, backfill_id, holder=holder, now=utc_now(), lease=lease)
            except BackfillBusy:
                return

    keeper = threading.Thread(target=keep, name=holder, daemon=True)
    keeper.start()
    try:
        yield row
    finally:
        over.set()
        keeper.join()
        with store().write() as session:
            backfills.let_go(session, backfill_id, holder)

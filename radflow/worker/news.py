"""Prefect's own events say when runs of a work pool become due: nobody need ask every second."""

import asyncio
import logging
from collections.abc import AsyncIterator

from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter
from prefect.logging import get_logger

BECOMES_DUE = ["prefect.flow-run.Scheduled", "prefect.flow-run.Resuming"]
AGAIN_AFTER = 5.0
"""Seconds until a lost connection is tried again; meanwhile the worker's regular looks find the runs."""

log: logging.Logger = get_logger("worker.news")


async def scheduled_runs(work_pool_name: str) -> AsyncIterator[None]:
    """Yields whenever runs of the pool may have become due; many that come together are one. Never ends."""
    while True:
        try:
            async for _ in _events(work_pool_name):
                yield
        except Exception as error:
            log.debug("no events from Prefect: %s", type(error).__name__)
        await asyncio.sleep(AGAIN_AFTER)


async def _events(work_pool_name: str) -> AsyncIterator[None]:
    wanted = EventFilter(
        event=EventNameFilter(name=BECOMES_DUE),
        any_resource=EventAnyResourceFilter(labels={"prefect.resource.name": work_pool_name}),
    )
    arrived = asyncio.Event()
    async with get_events_subscriber(filter=wanted) as events:

        async def note() -> None:
            async for _ in events:
                arrived.set()

        noting = asyncio.create_task(note())
        try:
            while not noting.done():
                waiting = asyncio.create_task(arrived.wait())
                await asyncio.wait({noting, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if arrived.is_set():
                    arrived.clear()
                    yield
            noting.result()
        finally:
            noting.cancel()

"""Listening for sites: the doors of each, and the one inbox behind them."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import structlog

from radflow.clock import utc_now
from radflow.connectors.tls import server_context
from radflow.services.inbox import Inbox
from radflow.services.listener.door import Door
from radflow.services.listener.hl7_http import HttpWelcome
from radflow.services.listener.mllp import MllpWelcome
from radflow.services.listener.reception import Reception
from radflow.settings import Site, settings
from radflow.store.engine import Store, store

log = structlog.get_logger()


async def serve(
    sites: Sequence[Site],
    store: Store,
    *,
    clock: Callable[[], datetime] = utc_now,
    started: Callable[[dict[str, int]], None] | None = None,
) -> None:
    """Listen for these sites until cancelled; then commit and answer what was read, and stop.

    Args:
        clock: tells when a message came.
        started: called once with the port of each site, and of its HTTP door as `<site>/http`; the system has
            chosen it where the settings say 0.

    Raises:
        ConfigError: a certificate, key or secret cannot be read.
    """
    inbox = Inbox(store)
    doors: dict[str, Door] = {}
    try:
        for site in sites:
            doors |= _doors(site, Reception(site, inbox, clock))
        ports = {name: await door.open() for name, door in doors.items()}
        for name, port in ports.items():
            log.info("listener started", door=name, port=port, tls=doors[name].has_tls)
        if started:
            started(ports)
        await asyncio.Event().wait()
    finally:
        await asyncio.gather(*(door.close() for door in doors.values()))
        await inbox.close()


def run_listener(site_names: list[str] | None = None) -> None:
    """Listen for these sites, or for all, until SIGTERM or SIGINT."""
    sites = [settings().site(name) for name in site_names or settings().sites]
    store().migrate()
    asyncio.run(_until_told(sites))
    log.info("listener stopped")


async def _until_told(sites: Sequence[Site]) -> None:
    serving = asyncio.create_task(serve(sites, store()))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def _doors(site: Site, reception: Reception) -> Iterator[tuple[str, Door]]:
    mllp = site.listener
    yield site.name, Door(site.name, mllp, server_context(mllp.tls), MllpWelcome(mllp, reception))
    if http := site.http:
        name = f"{site.name}/http"
        yield name, Door(name, http, server_context(http.tls), HttpWelcome(http, reception))

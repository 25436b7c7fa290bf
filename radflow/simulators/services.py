"""radflow's listener and DICOM service in threads of this process, on ports that the system chooses."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from radflow.services import worklist
from radflow.services.listener import serve
from radflow.settings import Site
from radflow.store.engine import Store

_STARTS_WITHIN = 30.0
"""Seconds."""


@dataclass(frozen=True)
class Doors:
    """The ports of a site's services."""

    mllp: dict[str, int]
    """Site, or `<site>/http`, → port."""
    dicom: dict[str, int]
    """Site → port."""


@contextmanager
def running_services(store: Store, sites: Sequence[Site]) -> Iterator[Doors]:
    """The services of these sites, until the end."""
    with ExitStack() as stack:
        mllp = stack.enter_context(_listening(store, sites))
        dicom = {}
        for site in sites:
            server = worklist.start(site, store)
            stack.callback(server.stop)
            dicom[site.name] = server.port
        yield Doors(mllp, dicom)


@contextmanager
def _listening(store: Store, sites: Sequence[Site]) -> Iterator[dict[str, int]]:
    ports: dict[str, int] = {}
    ready = threading.Event()
    loop = asyncio.new_event_loop()

    def started(found: dict[str, int]) -> None:
        ports.update(found)
        ready.set()

    task = loop.create_task(serve(sites, store, started=started))

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError), contextlib.closing(loop):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run, name="listener", daemon=True)
    thread.start()
    try:
        if not ready.wait(_STARTS_WITHIN):
            raise RuntimeError("the listener does not start")
        yield ports
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(_STARTS_WITHIN)

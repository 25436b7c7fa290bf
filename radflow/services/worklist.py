"""The DICOM server of each site: modalities ask it what to do (PS3.4 annex K)."""

import structlog

from radflow.services.dicom import commitment, notices, worklist
from radflow.services.dicom.server import RunningServer, start_server
from radflow.settings import Site, settings
from radflow.settings.worklist_target import OwnWorklist
from radflow.stopping import Stop
from radflow.store.engine import Store, store

log = structlog.get_logger()

SERVICES = (worklist.ECHO, notices.SERVICE, commitment.SERVICE)
"""What is offered on every port beside the worklist. A new one is a file in `dicom/` and an entry here."""


def start(site: Site, store: Store) -> RunningServer:
    """Serve the site's modalities from this store, in threads of its own."""
    # Where the site keeps a worklist elsewhere, a modality that still asks us is told so by the rejection.
    ours = (worklist.SERVICE,) if isinstance(site.worklist.target, OwnWorklist) else ()
    running = start_server(site, store, (*ours, *SERVICES))
    log.info("worklist started", site=site.name, ae_title=site.worklist.ae_title, port=running.port)
    return running


def run_worklist(site_names: list[str] | None = None) -> None:
    """Serve the modalities of these sites, or of all, until SIGTERM or SIGINT."""
    stop = Stop().on_signals()
    sites = [settings().site(name) for name in site_names or settings().sites]
    store().migrate()
    running = [start(site, store()) for site in sites]
    while not stop.wait(60):
        pass
    for one in running:
        one.stop()
    log.info("worklist stopped")

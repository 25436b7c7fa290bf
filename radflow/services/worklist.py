"""The modality worklist: an SCP for each site that answers C-FIND from the store (PS3.4 annex K)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import ModalityWorklistInformationFind, Verification  # type: ignore[attr-defined]

from radflow.connectors.dicom import keep_patients_out_of_the_log, send_at_once
from radflow.settings import Site, settings
from radflow.stopping import Stop
from radflow.store import worklist
from radflow.store.engine import Store, store

log = structlog.get_logger()

# Statuses of C-FIND on a worklist: PS3.4 table K.4-1.
PENDING = 0xFF00
CANCELLED = 0xFE00
IDENTIFIER_DOES_NOT_MATCH_SOP_CLASS = 0xA900
UNABLE_TO_PROCESS = 0xC001

_ASSOCIATION_WITHIN = 5
"""Seconds from the connection to the association request."""

Answer = tuple[int, Dataset | None]


@dataclass(frozen=True)
class RunningWorklist:
    """A worklist that accepts associations."""

    server: Any

    @property
    def port(self) -> int:
        """The port it listens on; the system has chosen it where the settings say 0."""
        return int(self.server.server_address[1])

    def stop(self) -> None:
        """Accept no more, and end the associations there are."""
        self.server.shutdown()
        for association in self.server.active_associations:
            association.abort()


def start(site: Site, store: Store) -> RunningWorklist:
    """Serve the site's worklist from this store, in threads of its own."""
    keep_patients_out_of_the_log()
    ae = AE(site.worklist.ae_title)
    ae.maximum_associations = site.worklist.max_associations
    # A connection that asks for no association, as a port scan's, holds one of these places so long.
    ae.acse_timeout = _ASSOCIATION_WITHIN
    ae.add_supported_context(ModalityWorklistInformationFind)
    ae.add_supported_context(Verification)
    handlers = [
        (evt.EVT_CONN_OPEN, send_at_once),
        (evt.EVT_C_FIND, _answers, [site.name, store]),
    ]
    server = ae.start_server((site.worklist.host, site.worklist.port), block=False, evt_handlers=handlers)  # type: ignore[arg-type]
    running = RunningWorklist(server)
    log.info("worklist started", site=site.name, ae_title=site.worklist.ae_title, port=running.port)
    return running


def run_worklist(site_names: list[str] | None = None) -> None:
    """Serve the worklists of these sites, or of all, until SIGTERM or SIGINT."""
    stop = Stop().on_signals()
    sites = [settings().site(name) for name in site_names or settings().sites]
    store().migrate()
    running = [start(site, store()) for site in sites]
    while not stop.wait(60):
        pass
    for one in running:
        one.stop()
    log.info("worklist stopped")


def _answers(event: Event, site: str, store: Store) -> Iterator[Answer]:
    """Handler of EVT_C_FIND: an answer for each match, then a status when it is not success."""
    try:
        yield from _matches(event, site, store)
    except _NotAWorklistQuery:
        yield IDENTIFIER_DOES_NOT_MATCH_SOP_CLASS, None
    except Exception as error:
        # Whatever a modality sends or the store does, the service lives. An error's text may quote a patient.
        log.error("worklist: query failed", site=site, error=type(error).__name__)
        log.debug("worklist: query failed", exc_info=True)
        yield UNABLE_TO_PROCESS, None


class _NotAWorklistQuery(ValueError):
    """The identifier cannot be read, or has no key to match or to return."""


def _matches(event: Event, site: str, store: Store) -> Iterator[Answer]:
    query = _query(event)
    with store.read() as session:
        found = worklist.find(session, site, query)
    for answer in found:
        if event.is_cancelled:
            yield CANCELLED, None
            return
        yield PENDING, answer


def _query(event: Event) -> Dataset:
    try:
        query = event.identifier
        # pydicom decodes a value when it is first looked at: look at all of them here.
        for _ in query.iterall():
            pass
    except Exception as error:
        raise _NotAWorklistQuery from error
    if all(key.keyword == "SpecificCharacterSet" for key in query):
        raise _NotAWorklistQuery
    return query

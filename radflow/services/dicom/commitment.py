"""Storage commitment: the report of an archive that opens an association of its own (PS3.4 §J.3.3)."""

from collections.abc import Sequence
from typing import Any

import structlog
from pynetdicom import evt
from pynetdicom.events import Event
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from mappings.dicom.commitment import read_report
from radflow.clock import utc_now
from radflow.services.dicom.server import DicomService
from radflow.settings import Site
from radflow.store import commitments
from radflow.store.engine import Store

log = structlog.get_logger()

# Statuses of N-EVENT-REPORT, PS3.7 §10.1.1.1.8.
_SUCCESS = 0x0000
_PROCESSING_FAILURE = 0x0110
_INVALID_ARGUMENT_VALUE = 0x0115


def _handlers(site: Site, store: Store) -> Sequence[tuple[Any, ...]]:
    return [(evt.EVT_N_EVENT_REPORT, _reported, [site, store])]


SERVICE = DicomService((StorageCommitmentPushModel,), _handlers, peer_is_scp=True)


def _reported(event: Event, site: Site, store: Store) -> tuple[int, None]:
    """Handler of EVT_N_EVENT_REPORT."""
    try:
        report = read_report(event.event_information)
    except Exception as error:
        log.warning("storage commitment report not understood", site=site.name, error=type(error).__name__)
        return _INVALID_ARGUMENT_VALUE, None
    try:
        with store.write() as session:
            key = commitments.answer(session, report, utc_now())
    except commitments.UnknownTransaction:
        log.warning(
            "storage commitment of an unknown transaction", site=site.name, uid=report.transaction_uid
        )
        return _INVALID_ARGUMENT_VALUE, None
    except Exception as error:
        log.error("storage commitment report failed", site=site.name, error=type(error).__name__)
        return _PROCESSING_FAILURE, None
    log.info("storage commitment reported", site=site.name, order=key, failed=len(report.failed))
    return _SUCCESS, None

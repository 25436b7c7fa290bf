"""What modalities and archives say by N-CREATE and N-SET; each SOP class has a file of its own."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from pydicom import Dataset
from pynetdicom import evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    InstanceAvailabilityNotification,
    ModalityPerformedProcedureStep,
)

from mappings.dicom.mpps_attributes import NotTaken
from radflow.services.dicom import availability, performed_steps
from radflow.services.dicom.server import DicomService
from radflow.settings import Site
from radflow.store.engine import Store

log = structlog.get_logger()

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110

Answer = tuple[int | Dataset, None]

_ON_CREATE: dict[str, Callable[[Event, Site, Store], None]] = {
    ModalityPerformedProcedureStep: performed_steps.create,
    InstanceAvailabilityNotification: availability.create,
}


def _handlers(site: Site, store: Store) -> Sequence[tuple[Any, ...]]:
    # pynetdicom has one handler for all N-CREATE, whatever their SOP class.
    return [(evt.EVT_N_CREATE, _created, [site, store]), (evt.EVT_N_SET, _set, [site, store])]


SERVICE = DicomService(tuple(_ON_CREATE), _handlers)


def _created(event: Event, site: Site, store: Store) -> Answer:
    """Handler of EVT_N_CREATE."""
    request: Any = event.request
    return _answered(_ON_CREATE[str(request.AffectedSOPClassUID)], event, site, store)


def _set(event: Event, site: Site, store: Store) -> Answer:
    """Handler of EVT_N_SET."""
    return _answered(performed_steps.update, event, site, store)


def _answered(take: Callable[[Event, Site, Store], None], event: Event, site: Site, store: Store) -> Answer:
    """Success once it is stored, else the status that says why not (PS3.7 annex C)."""
    try:
        take(event, site, store)
    except NotTaken as refused:
        log.warning(
            "DICOM notice refused", site=site.name, ae_title=event.assoc.requestor.ae_title.strip(),
            status=f"{refused.status:04X}", reason=str(refused),
        )  # fmt: skip
        return _status(refused), None
    except Exception as error:
        # Whatever a modality sends or the store does, the service lives. An error's text may quote a patient.
        log.error("DICOM notice failed", site=site.name, error=type(error).__name__)
        log.debug("DICOM notice failed", exc_info=True)
        return PROCESSING_FAILURE, None
    return SUCCESS, None


def _status(refused: NotTaken) -> Dataset:
    status = Dataset()
    status.Status = refused.status
    status.ErrorComment = str(refused)
    if refused.error_id is not None:
        status.ErrorID = refused.error_id
    return status

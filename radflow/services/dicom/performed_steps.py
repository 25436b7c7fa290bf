"""Modality Performed Procedure Step: N-CREATE and N-SET (PS3.4 annex F; IHE RAD-6, RAD-7)."""

from typing import Any

import structlog
from pydicom import Dataset
from pynetdicom.events import Event
from sqlalchemy.exc import IntegrityError

from mappings.dicom import mpps
from mappings.dicom.mpps_attributes import NotTaken
from radflow.clock import utc_now
from radflow.settings import Site
from radflow.store import performed_steps
from radflow.store.engine import Store
from radflow.store.performed_steps import AlreadyThere, UnknownStep

log = structlog.get_logger()

# Statuses of PS3.7 annex C.
_DUPLICATE_SOP_INSTANCE = 0x0111
_NO_SUCH_SOP_INSTANCE = 0x0112
_INVALID_OBJECT_INSTANCE = 0x0117


def create(event: Event, site: Site, store: Store) -> None:
    """A modality has begun: keep the step, and tell its orders.

    Raises:
        NotTaken: with the status that is answered.
    """
    request: Any = event.request
    uid = str(request.AffectedSOPInstanceUID or "")
    if not uid:
        raise NotTaken(_INVALID_OBJECT_INSTANCE, "the SCU gives the SOP Instance UID (PS3.4 F.7.2.1.2)")
    kept = mpps.created(_read(event, "attribute_list"), site.worklist.performed_steps_need)
    step = mpps.read(kept, site.zone)
    try:
        with store.write() as session:
            keys = performed_steps.begin(session, site.name, uid, kept, step, utc_now())
    except (AlreadyThere, IntegrityError):
        raise NotTaken(_DUPLICATE_SOP_INSTANCE, "there is a performed step of this UID") from None
    if keys:
        log.info("performed step begun", site=site.name, uid=uid, orders=keys)
    else:
        log.warning("performed step begun of no known order", site=site.name, uid=uid)


def update(event: Event, site: Site, store: Store) -> None:
    """A modality goes on or has ended: keep what it says, and tell its orders.

    Raises:
        NotTaken: with the status that is answered.
    """
    request: Any = event.request
    uid = str(request.RequestedSOPInstanceUID or "")
    modifications = _read(event, "modification_list")
    try:
        with store.write() as session:
            row = performed_steps.get(session, site.name, uid)
            kept = mpps.updated(row.dataset, modifications, site.worklist.performed_steps_need)
            step = mpps.read(kept, site.zone)
            keys = performed_steps.update(session, row, kept, step, utc_now())
    except UnknownStep:
        raise NotTaken(_NO_SUCH_SOP_INSTANCE, "there is no performed step of this UID") from None
    log.info("performed step set", site=site.name, uid=uid, status=step.status, orders=sorted(keys))


def _read(event: Event, name: str) -> Dataset:
    """The attributes that came; none where none came.

    Raises:
        NotTaken: they are no DICOM.
    """
    try:
        attributes: Dataset = getattr(event, name)
    except Exception as error:
        raise NotTaken(mpps.INVALID_ATTRIBUTE_VALUE, "the attributes cannot be read") from error
    return attributes

"""Instance Availability Notification: N-CREATE (PS3.4 annex R; IHE RAD-49)."""

from typing import Any

import structlog
from pynetdicom.events import Event

from mappings.dicom.availability import read_notice
from mappings.dicom.mpps_attributes import NotTaken
from radflow.clock import utc_now
from radflow.settings import Site
from radflow.store import availability
from radflow.store.engine import Store

log = structlog.get_logger()

_INVALID_ATTRIBUTE_VALUE = 0x0106
_INVALID_OBJECT_INSTANCE = 0x0117


def create(event: Event, site: Site, store: Store) -> None:
    """An archive has images: tell their orders. A study of no order of ours is no affair of ours.

    Raises:
        NotTaken: with the status that is answered.
    """
    request: Any = event.request
    uid = str(request.AffectedSOPInstanceUID or "")
    if not uid:
        raise NotTaken(_INVALID_OBJECT_INSTANCE, "the SCU gives the SOP Instance UID (PS3.4 R.3.2.1.2)")
    try:
        notice = read_notice(event.attribute_list)
    except NotTaken:
        raise
    except Exception as error:
        raise NotTaken(_INVALID_ATTRIBUTE_VALUE, "the attributes cannot be read") from error
    if not notice.available:
        log.info("instances no longer available", site=site.name, count=notice.unavailable)
        return
    with store.write() as session:
        keys = availability.note(session, site.name, uid, notice, utc_now())
    log.info("instances available", site=site.name, count=notice.available, orders=keys)

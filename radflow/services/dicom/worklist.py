"""C-ECHO, and the modality worklist: C-FIND answered from the store (PS3.4 annex K)."""

from collections.abc import Iterator, Sequence
from typing import Any

import structlog
from pydicom import Dataset
from pynetdicom import evt
from pynetdicom.events import Event
from pynetdicom.sop_class import ModalityWorklistInformationFind, Verification  # type: ignore[attr-defined]

from mappings.dicom.answers import answered
from mappings.dicom.matching import Query
from radflow.services.dicom.pending import PeerGone, PendingAnswers
from radflow.services.dicom.server import DicomService
from radflow.settings import Site
from radflow.store import worklist
from radflow.store.engine import Store
from radflow.store.worklist import Offer

log = structlog.get_logger()

# Statuses of C-FIND on a worklist: PS3.4 table K.4-1. Without one, pynetdicom says success.
CANCELLED = 0xFE00
IDENTIFIER_DOES_NOT_MATCH_SOP_CLASS = 0xA900
UNABLE_TO_PROCESS = 0xC001

Status = tuple[int, None]


def _handlers(site: Site, store: Store) -> Sequence[tuple[Any, ...]]:
    return [(evt.EVT_C_FIND, _answer, [site, store])]


SERVICE = DicomService((ModalityWorklistInformationFind,), _handlers)
ECHO = DicomService((Verification,), lambda _site, _store: ())


class _NotAWorklistQuery(ValueError):
    """The identifier cannot be read, or has no key to match or to return."""


def _answer(event: Event, site: Site, store: Store) -> Iterator[Status]:
    """Handler of EVT_C_FIND: the matches are sent, then a status when it is not success."""
    try:
        yield from _send_matches(event, site, store)
    except _NotAWorklistQuery:
        yield IDENTIFIER_DOES_NOT_MATCH_SOP_CLASS, None
    except PeerGone:
        log.info("worklist: the modality left while it was answered", site=site.name)
    except Exception as error:
        # Whatever a modality sends or the store does, the service lives. An error's text may quote a patient.
        log.error("worklist: query failed", site=site.name, error=type(error).__name__)
        log.debug("worklist: query failed", exc_info=True)
        yield UNABLE_TO_PROCESS, None


def _send_matches(event: Event, site: Site, store: Store) -> Iterator[Status]:
    query, preferred = _query(event)
    implicit = bool(event.context.transfer_syntax.is_implicit_VR)
    pending = PendingAnswers(event)
    for item in worklist.find(store, site.name, query, _offer(site, event.assoc.requestor.ae_title)):
        if event.is_cancelled:
            yield CANCELLED, None
            return
        pending.send(answered(query, item, preferred, implicit=implicit))


def _offer(site: Site, calling_ae_title: str) -> Offer:
    """What the site shows to who calls: all of it where it has not said otherwise."""
    modality, gone = site.worklist.modality(calling_ae_title.strip()), site.worklist.gone
    if modality is None or modality.sees == "all":
        return Offer(but=gone)
    return Offer(modality.stations, modality.modalities, gone)


def _query(event: Event) -> tuple[Query, list[str]]:
    """The query, and the character set it is written in."""
    try:
        # pydicom decodes a value when it is first looked at, which is here.
        query, character_set = Query.of(event.identifier), _character_set(event.identifier)
    except Exception as error:
        raise _NotAWorklistQuery from error
    if not query.keys:
        raise _NotAWorklistQuery
    return query, character_set


def _character_set(identifier: Dataset) -> list[str]:
    """The values of Specific Character Set (0008,0005); the first may be empty."""
    value = identifier.get("SpecificCharacterSet")
    return [value or ""] if value is None or isinstance(value, str) else [str(one or "") for one in value]

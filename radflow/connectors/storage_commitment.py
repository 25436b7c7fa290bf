"""Asking an archive to take responsibility for instances: N-ACTION as SCU (PS3.4 annex J)."""

import threading
from collections.abc import Callable

import structlog
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from radflow.connectors.association import NothingAccepted, associated
from radflow.connectors.errors import Refused
from radflow.connectors.wanted import ArchiveUnavailable
from radflow.settings import DimseArchive

log = structlog.get_logger()

Heard = Callable[[Dataset], None]
"""What is done with the event information of an N-EVENT-REPORT."""

REQUEST_STORAGE_COMMITMENT = 1
"""Action Type ID (§J.3.2.1)."""
_CONTEXT = build_context(StorageCommitmentPushModel, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
_SUCCESS = 0x0000
_PROCESSING_FAILURE = 0x0110
_NEVER = frozenset({0x0118, 0x0119, 0x0122, 0x0123, 0x0124, 0x0211})
"""Statuses that trying again does not change: not supported, not authorised (PS3.7 annex C)."""


def ask_for_commitment(archive: DimseArchive, request: Dataset, heard: Heard) -> bool:
    """Send the request, and wait `commitment_seconds` for the archive's report on the same association.

    An archive that reports later opens an association to radflow's DICOM port.

    Args:
        heard: takes the report; when it raises, the archive is told that the report was not taken.

    Returns:
        Whether the report has come.

    Raises:
        ArchiveUnavailable: the archive does not answer, or cannot do it now.
        Refused: it does not do it at all.
    """
    reported = threading.Event()
    handlers = [(evt.EVT_N_EVENT_REPORT, _reported, [heard, reported])]
    try:
        with associated(archive, [_CONTEXT], handlers=handlers) as association:
            answer, _ = association.send_n_action(
                request,
                REQUEST_STORAGE_COMMITMENT,
                StorageCommitmentPushModel,
                StorageCommitmentPushModelInstance,
            )
            came = answer.get("Status") == _SUCCESS and reported.wait(archive.commitment_seconds)
    except NothingAccepted:
        raise Refused(f"archive {archive.name} does not offer storage commitment") from None
    _check(archive, answer)
    return came


def _check(archive: DimseArchive, answer: Dataset) -> None:
    status = answer.get("Status")
    if status is None:
        raise ArchiveUnavailable(f"archive {archive.name}: no answer to N-ACTION")
    if status != _SUCCESS:
        failure = Refused if status in _NEVER else ArchiveUnavailable
        raise failure(f"archive {archive.name}: N-ACTION status 0x{status:04X}")


def _reported(event: Event, heard: Heard, reported: threading.Event) -> tuple[int, None]:
    """Handler of EVT_N_EVENT_REPORT."""
    try:
        heard(event.event_information)
    except Exception as error:
        # Whatever it was, the archive may send its report again.
        log.warning("storage commitment report not taken", error=type(error).__name__)
        return _PROCESSING_FAILURE, None
    reported.set()
    return _SUCCESS, None

"""Associations with an archive for as long as a study is moved."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from radflow.connectors.dicom import keep_patients_out_of_the_log, send_at_once, tls_arguments
from radflow.connectors.wanted import ArchiveUnavailable
from radflow.settings import DimseArchive

# Statuses of C-STORE, C-GET and C-MOVE: PS3.4 tables B.2-1, C.4-2, C.4-3.
SUCCESS = 0x0000
PENDING = 0xFF00


class NothingAccepted(ArchiveUnavailable):
    """The archive is there, and takes nothing of what the association is for."""


@contextmanager
def associated(
    archive: DimseArchive,
    contexts: Sequence[PresentationContext],
    roles: Sequence[Any] = (),
    handlers: Sequence[tuple[evt.EventType, Any]] = (),
) -> Iterator[Association]:
    """An association that is released at the end, and aborted on an exception.

    Raises:
        ArchiveUnavailable: there is none to be had.
        NothingAccepted: the archive accepts no presentation context.
    """
    keep_patients_out_of_the_log()
    ae = AE(archive.calling_ae_title)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = archive.timeout_seconds
    ae.connection_timeout = archive.timeout_seconds
    ae.requested_contexts = list(contexts)
    association = ae.associate(
        archive.host,
        archive.port,
        ae_title=archive.ae_title,
        ext_neg=list(roles),
        evt_handlers=[(evt.EVT_CONN_OPEN, send_at_once), *handlers],
        tls_args=tls_arguments(archive.tls, archive.host),
    )
    if not association.is_established:
        failure = NothingAccepted if association.rejected_contexts else ArchiveUnavailable
        raise failure(f"archive {archive.name}: no association with {archive.ae_title}")
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    association.release()


def last_status(archive: str, what: str, answers: Sequence[Any]) -> Any:
    """The final answer of a C-GET or C-MOVE.

    Raises:
        ArchiveUnavailable: there is none: the association broke, or the archive is silent.
    """
    status = answers[-1] if answers else None
    if status is None or "Status" not in status or status.Status == PENDING:
        raise ArchiveUnavailable(f"archive {archive}: no answer to {what}")
    return status

"""An association with an archive, as radflow opens one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from radflow.connectors.dicom import keep_patients_out_of_the_log, send_at_once, tls_arguments
from radflow.connectors.reactor_gate import release
from radflow.connectors.wanted import ArchiveUnavailable
from radflow.settings import DimseArchive


class NothingAccepted(ArchiveUnavailable):
    """The archive is there, and takes nothing of what the association is for."""


@contextmanager
def associated(
    archive: DimseArchive,
    contexts: Sequence[PresentationContext],
    roles: Sequence[Any] = (),
    handlers: Sequence[evt.EventHandlerType] = (),
    *,
    seconds: float | None = None,
    connects_within: float | None = None,
) -> Iterator[Association]:
    """An association that is released at the end, and aborted on an exception.

    Args:
        seconds: how long an answer may take, where the archive has less time than its settings give it.
        connects_within: seconds for the connection itself; None: as for an answer.

    Raises:
        ArchiveUnavailable: there is none to be had.
        NothingAccepted: the archive accepts no presentation context.
    """
    keep_patients_out_of_the_log()
    ae = AE(archive.calling_ae_title)
    seconds = min(seconds or archive.timeout_seconds, archive.timeout_seconds)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = seconds
    ae.connection_timeout = min(seconds, connects_within or seconds)
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
    release(association)

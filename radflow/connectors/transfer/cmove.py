"""Fetching instances by C-MOVE (PS3.4 §C.4.2): to our own storage SCP, or straight to the target."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE, build_context, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as StudyRootMove  # type: ignore[attr-defined]
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from radflow.connectors.association import NothingAccepted, associated
from radflow.connectors.dicom import send_at_once
from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.transfer.cget import image_query
from radflow.connectors.transfer.instances import Fetched, Listed, Outcome, by_series, missing
from radflow.connectors.transfer.statuses import last_status, retrieval_reason
from radflow.connectors.transfer.storing import Basket
from radflow.connectors.transfer.syntaxes import EVERY_SOP_CLASS, taking
from radflow.settings import DimseArchive
from radflow.settings.routing import MoveReceiver

_MOVE = build_context(StudyRootMove, ImplicitVRLittleEndian)
_NOT_ASKED_FOR = 0x0124


class Receiver:
    """Our own storage SCP, which listens as long as studies are moved and takes only what was asked for."""

    def __init__(self, settings: MoveReceiver) -> None:
        self.ae_title = settings.ae_title
        self._baskets: list[Basket] = []
        ae = AE(settings.ae_title)
        ae.require_called_aet = True
        ae.add_supported_context(Verification)
        syntaxes = [
            syntax for context in taking(EVERY_SOP_CLASS[:1]) for syntax in context.transfer_syntax or ()
        ]
        for sop_class in EVERY_SOP_CLASS:
            ae.add_supported_context(sop_class, list(syntaxes))
        handlers: list[Any] = [(evt.EVT_CONN_OPEN, send_at_once), (evt.EVT_C_STORE, self._take)]
        try:
            self._server: Any = ae.start_server(
                (settings.host, settings.port), block=False, evt_handlers=handlers
            )
        except OSError as error:
            raise Unavailable(f"routing.receiver: port {settings.port}: {error.strerror}") from None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @contextmanager
    def into(self, basket: Basket) -> Iterator[None]:
        """Put what the basket wants into it, meanwhile."""
        self._baskets.append(basket)
        try:
            yield
        finally:
            self._baskets.remove(basket)

    def stop(self) -> None:
        self._server.shutdown()

    def _take(self, event: Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)  # type: ignore[union-attr]
        basket = next((one for one in list(self._baskets) if one.wants(uid)), None)
        return basket.take(event) if basket else _NOT_ASKED_FOR


class CMoveSource:
    """An archive that sends to our receiver when it is told to."""

    def __init__(self, archive: DimseArchive, receiver: Receiver) -> None:
        self._archive = archive
        self._receiver = receiver

    def fetch(self, wanted: Sequence[Listed], folder: Path) -> tuple[list[Fetched], list[Outcome]]:
        """As `CGetSource.fetch`."""
        basket = Basket(folder, (one.instance for one in wanted))
        with self._receiver.into(basket):
            statuses = move(self._archive, self._receiver.ae_title, wanted)
        failed: list[Outcome] = []
        for members, status in statuses:
            reason, later = retrieval_reason("C-MOVE", status)
            left = missing(members, basket.fetched)
            failed += [Outcome(one.instance, reason, later) for one in left]
        return basket.fetched, failed


def move(archive: DimseArchive, destination: str, wanted: Sequence[Listed]) -> list[tuple[list[Listed], Any]]:
    """Tell the archive to send the instances to an AE title it knows; the final answer for each series.

    Raises:
        ArchiveUnavailable: it does not answer.
        Refused: it knows no C-MOVE.
    """
    try:
        with associated(archive, [_MOVE]) as association:
            return [
                (members, _move(association, archive.name, destination, series, members))
                for series, members in by_series(wanted)
            ]
    except NothingAccepted:
        raise Refused(f"archive {archive.name}: it accepts no C-MOVE") from None


def _move(association: Any, archive: str, destination: str, series: str, members: Sequence[Listed]) -> Any:
    query = image_query(series, members)
    try:
        answers = [status for status, _ in association.send_c_move(query, destination, StudyRootMove)]
    except (RuntimeError, ValueError):
        answers = []
    return last_status(archive, "C-MOVE", answers)

"""C-GET of one instance in the Study Root model (PS3.4 §C.4.3): it comes on the association that asks.

The association offers SR storage alone, so that no archive can send pixels.
"""

from collections.abc import Sequence
from typing import Any

from pydicom import Dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as StudyRootGet  # type: ignore[attr-defined]

from mappings.dicom.sr import SOP_CLASSES
from radflow.connectors.instances import NotRetrievable, decode_instance, too_large
from radflow.connectors.wanted import ArchiveUnavailable

# Statuses of C-GET: PS3.4 table C.4-3.
_PENDING = 0xFF00
_SUCCESS = 0x0000
_SOME_FAILED = 0xB000
_OUT_OF_RESOURCES = (0xA701, 0xA702)

_TRANSFER_SYNTAXES: list[str | UID] = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
]


def contexts() -> list[PresentationContext]:
    """What an association that gets documents offers."""
    storage = [build_context(uid, _TRANSFER_SYNTAXES) for uid in SOP_CLASSES]
    return [build_context(StudyRootGet, ImplicitVRLittleEndian), *storage]


def roles() -> list[Any]:
    """SCP/SCU Role Selection (PS3.7 §D.3.3.4): who asks is the SCP of the C-STOREs that follow."""
    return [build_role(uid, scp_role=True) for uid in SOP_CLASSES]


def no_c_get(archive: str) -> NotRetrievable:
    """Why nothing was asked for."""
    return NotRetrievable(f"archive {archive}: it accepts no C-GET of structured reports")


class Getter:
    """Takes what one C-GET brings: one instance, and not more of it than `largest` bytes."""

    def __init__(self, archive: str, wanted: str, largest: int) -> None:
        self._archive = archive
        self._wanted = wanted
        self._largest = largest
        self._received = 0
        self._instance: bytes | None = None

    def handlers(self) -> list[tuple[evt.EventType, Any]]:
        """What the association has to call."""
        return [(evt.EVT_C_STORE, self._take), (evt.EVT_DATA_RECV, self._count)]

    def get(self, association: Association, study: str, series: str) -> Dataset | None:
        """The wanted instance; None when the archive has none of this UID.

        Raises:
            ArchiveUnavailable: it does not answer, or is busy.
            NotRetrievable: it takes no C-GET, has not sent the instance, or has sent too much.
        """
        query = Dataset()
        query.QueryRetrieveLevel = "IMAGE"
        query.StudyInstanceUID, query.SeriesInstanceUID = study, series
        query.SOPInstanceUID = self._wanted
        try:
            answers = [status for status, _ in association.send_c_get(query, StudyRootGet)]
        except ValueError as error:
            raise no_c_get(self._archive) from error
        except RuntimeError as error:
            raise ArchiveUnavailable(f"archive {self._archive}: C-GET cannot be sent") from error
        if self._received > self._largest:
            raise too_large(self._archive, self._largest)
        return self._result(answers)

    def _result(self, answers: Sequence[Dataset]) -> Dataset | None:
        last = answers[-1] if answers else Dataset()
        status, failed = last.get("Status"), last.get("NumberOfFailedSuboperations")
        # Out of resources is also what some say when their C-STORE had no presentation context.
        if status is None or (status in _OUT_OF_RESOURCES and not failed):
            reason = "no answer to C-GET" if status is None else f"C-GET status 0x{status:04X}"
            raise ArchiveUnavailable(f"archive {self._archive}: {reason}")
        if self._instance is not None:
            return decode_instance(self._archive, self._instance)
        if status == _SUCCESS and not failed:
            return None
        raise NotRetrievable(f"archive {self._archive}: C-GET has brought nothing: status 0x{status:04X}")

    def _take(self, event: Event) -> int:
        """EVT_C_STORE. An archive that knows no IMAGE level sends more than was asked for."""
        if isinstance(event.request, C_STORE) and event.request.AffectedSOPInstanceUID == self._wanted:
            self._instance = event.encoded_dataset()
        return _SUCCESS

    def _count(self, event: Event) -> None:
        """EVT_DATA_RECV: the rest of what is too large is not waited for."""
        self._received += len(event.data)
        connection = event.assoc.dul.socket
        if self._received > self._largest and connection:
            connection.close()

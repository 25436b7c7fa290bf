"""Taking instances that an archive sends by C-STORE: each becomes a DICOM file."""

import threading
from collections.abc import Iterable
from pathlib import Path

from pydicom.uid import UID
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from radflow.connectors.transfer.instances import Fetched
from radflow.connectors.transfer.statuses import SUCCESS


class Basket:
    """Takes what is fetched, until it is sent on."""

    def __init__(self, folder: Path, wanted: Iterable[str]) -> None:
        """Keep these SOP instances in the folder."""
        self._folder = folder
        self._wanted = frozenset(wanted)
        self._fetched: dict[str, Fetched] = {}
        self._lock = threading.Lock()

    @property
    def fetched(self) -> list[Fetched]:
        """What has come so far."""
        with self._lock:
            return list(self._fetched.values())

    def wants(self, instance: str) -> bool:
        """Whether the instance was asked for."""
        return instance in self._wanted

    def take(self, event: Event) -> int:
        """EVT_C_STORE: the bytes as they came, behind a file header of ours (PS3.10 §7.1)."""
        request = event.request
        assert isinstance(request, C_STORE)
        uid = str(request.AffectedSOPInstanceUID)
        if self.wants(uid):
            with self._lock:
                # Numbered: a UID comes from outside, and is no file name.
                file = self._folder / f"{len(self._fetched)}.dcm"
                file.write_bytes(event.encoded_dataset())
                syntax = UID(event.context.transfer_syntax)
                self._fetched[uid] = Fetched(uid, str(request.AffectedSOPClassUID), syntax, file)
        return SUCCESS

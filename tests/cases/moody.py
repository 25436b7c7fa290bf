"""An archive in a mood: a C-FIND SCP before a real Orthanc, whose answers it passes on or distorts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind as StudyRootFind,
)
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from radflow.connectors.dicom import send_at_once
from radflow.settings import LOOPBACK
from radflow.simulators.modality import connected
from radflow.simulators.orthanc import Orthanc
from radflow.simulators.ports import free_port

_UNABLE_TO_PROCESS = 0xC001
"""PS3.4 table C.4-1."""


@dataclass
class MoodyArchive:
    """Its port and its mood; `asked` counts the queries it has got."""

    orthanc: Orthanc
    port: int = field(default_factory=free_port)
    mood: str = "well"
    """`well`, `half-way`: an error after the first answer; `empty`: no answer; `twice`: each answer twice."""
    asked: int = 0
    _server: Any = None

    def up(self) -> None:
        ae = AE("ORTHANC")
        for sop_class in (StudyRootFind, Verification):
            ae.add_supported_context(sop_class)
        handlers: list[evt.EventHandlerType] = [
            (evt.EVT_C_FIND, self._answer),
            (evt.EVT_CONN_OPEN, send_at_once),
        ]
        self._server = ae.start_server((LOOPBACK, self.port), block=False, evt_handlers=handlers)

    def down(self) -> None:
        """Nobody listens any more."""
        if self._server:
            self._server.shutdown()
            self._server = None

    def _answer(self, event: Event) -> Iterator[tuple[int, Dataset | None]]:
        self.asked += 1
        answers = [] if self.mood == "empty" else self._from_orthanc(event.identifier)
        for answer in answers:
            yield 0xFF00, answer
            if self.mood == "twice":
                yield 0xFF00, answer
            if self.mood == "half-way":
                yield _UNABLE_TO_PROCESS, None
                return

    def _from_orthanc(self, query: Dataset) -> list[Dataset]:
        port, ae_title = self.orthanc.dicom_port, self.orthanc.ae_title
        with connected(LOOPBACK, port, ae_title, "MOODY", [StudyRootFind]) as association:
            return [answer for _, answer in association.send_c_find(query, StudyRootFind) if answer]


@contextmanager
def moody_archive(orthanc: Orthanc) -> Iterator[MoodyArchive]:
    """Before this Orthanc, up until the end."""
    archive = MoodyArchive(orthanc)
    archive.up()
    try:
        yield archive
    finally:
        archive.down()

"""A small image archive for the demo and for tests: C-ECHO, C-STORE, C-FIND; files in a folder.

It answers queries by the rules of `mappings.dicom.matching`, and counts them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from pydicom import Dataset, dcmread
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind as StudyRootFind,
)
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from mappings.dicom.matching import answer, matches
from radflow.connectors.dicom import keep_patients_out_of_the_log, send_at_once
from radflow.settings import LOOPBACK

_UNIQUE_KEYS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
"""Query/retrieve level → unique key (PS3.4 §C.6.2.1)."""

SUCCESS, PENDING, IDENTIFIER_DOES_NOT_MATCH_SOP_CLASS = 0x0000, 0xFF00, 0xA900


class SimulatedArchive:
    """An archive that runs from when it is made until `stop()`."""

    def __init__(
        self, folder: Path, *, host: str = LOOPBACK, port: int = 0, ae_title: str = "ARCHIVE"
    ) -> None:
        """Serve what the folder holds, and keep there what is stored."""
        keep_patients_out_of_the_log()
        folder.mkdir(parents=True, exist_ok=True)
        self.ae_title = ae_title
        self.queries = 0
        """C-FINDs so far, of any level."""
        self._folder = folder
        self._studies: dict[str, dict[str, Dataset]] = defaultdict(dict)
        """Headers by Study Instance UID and SOP Instance UID."""
        for file in folder.glob("*.dcm"):
            self._keep(dcmread(file, stop_before_pixels=True))
        ae = AE(ae_title)
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(context.abstract_syntax)  # type: ignore[arg-type]
        ae.add_supported_context(StudyRootFind)
        ae.add_supported_context(Verification)
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, send_at_once),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_FIND, self._find),
        ]
        self._server: Any = ae.start_server((host, port), block=False, evt_handlers=handlers)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def stop(self) -> None:
        self._server.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _store(self, event: Event) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        dataset.save_as(self._folder / f"{dataset.SOPInstanceUID}.dcm", enforce_file_format=True)
        dataset.pop("PixelData", None)
        self._keep(dataset)
        return SUCCESS

    def _keep(self, header: Dataset) -> None:
        self._studies[str(header.StudyInstanceUID)][str(header.SOPInstanceUID)] = header

    def _find(self, event: Event) -> Iterator[tuple[int, Dataset | None]]:
        self.queries += 1
        query = event.identifier
        unique_key = _UNIQUE_KEYS.get(query.get("QueryRetrieveLevel", ""))
        if unique_key is None:
            yield IDENTIFIER_DOES_NOT_MATCH_SOP_CLASS, None
            return
        for entity in self._entities(unique_key, self._asked_for(query)):
            if matches(query, entity):
                found = answer(query, entity)
                found.QueryRetrieveLevel = query.QueryRetrieveLevel
                yield PENDING, found

    def _asked_for(self, query: Dataset) -> list[Dataset]:
        """The headers of the studies that the query names, or of all."""
        uids = query.get("StudyInstanceUID") or ()
        named = [uids] if isinstance(uids, str) else uids
        studies = [self._studies.get(uid, {}) for uid in named] if named else list(self._studies.values())
        return [header for study in studies for header in list(study.values())]

    def _entities(self, unique_key: str, headers: Iterable[Dataset]) -> Iterator[Dataset]:
        """Studies, series or instances: each as its first instance shows it."""
        members: dict[str, list[Dataset]] = defaultdict(list)
        for header in headers:
            members[str(header[unique_key].value)].append(header)
        for its in members.values():
            entity = Dataset()
            entity.update(its[0])
            entity.ModalitiesInStudy = sorted({str(header.Modality) for header in its})
            yield entity

"""An archive asked by C-FIND in the Study Root model (PS3.4 §C.6.2)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as StudyRootFind  # type: ignore[attr-defined]

from mappings.dicom import studies
from mappings.dicom.studies import INSTANCE_KEYS, SERIES_KEYS, STUDY_KEYS
from radflow.connectors.dicom import keep_patients_out_of_the_log, send_at_once
from radflow.connectors.wanted import ArchiveUnavailable, Wanted, keys_for, only_wanted
from radflow.model import Series, Study
from radflow.settings import DimseArchive

log = structlog.get_logger()

LONGEST_LIST = 1000
"""Values in one key; more of them and archives begin to refuse."""

# Statuses of C-FIND: PS3.4 table C.4-1.
_PENDING = (0xFF00, 0xFF01)
_SUCCESS = 0x0000
_LIMIT_REACHED = 0xB001


class DimseClient:
    """An `ArchiveClient` by DIMSE; each question has an association of its own."""

    def __init__(self, archive: DimseArchive, zone: ZoneInfo) -> None:
        keep_patients_out_of_the_log()
        self._archive = archive
        self._zone = zone

    def find_studies(self, wanted: Sequence[Wanted], today: date) -> list[Study]:
        if not wanted:
            return []
        keys = keys_for(wanted, today, self._archive.find_by, LONGEST_LIST)
        with self._association() as association:
            answers = self._find(association, "STUDY", STUDY_KEYS, keys)
        return only_wanted((self._study(answer) for answer in answers), wanted)

    def describe(self, study_instance_uid: str) -> Study | None:
        here = {"StudyInstanceUID": study_instance_uid}
        with self._association() as association:
            found = self._find(association, "STUDY", STUDY_KEYS, here)
            if not found:
                return None
            answers = self._find(association, "SERIES", SERIES_KEYS, here)
            return self._study(found[0], tuple(self._series(association, here, one) for one in answers))

    def _series(self, association: Association, study: dict[str, str], answer: Dataset) -> Series:
        here = study | {"SeriesInstanceUID": str(answer.SeriesInstanceUID)}
        answers = self._find(association, "IMAGE", INSTANCE_KEYS, here)
        return studies.series(answer, self._zone, tuple(studies.instance(one) for one in answers))

    def _study(self, answer: Dataset, series: tuple[Series, ...] = ()) -> Study:
        return studies.study(answer, self._archive.name, self._zone, series)

    @contextmanager
    def _association(self) -> Iterator[Association]:
        archive = self._archive
        ae = AE(archive.calling_ae_title)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = archive.timeout_seconds
        ae.connection_timeout = archive.timeout_seconds
        # Every SCP takes it (PS3.5 §10.1), and its 32-bit length holds a long list of UIDs.
        ae.add_requested_context(StudyRootFind, ImplicitVRLittleEndian)
        association = ae.associate(
            archive.host,
            archive.port,
            ae_title=archive.ae_title,
            evt_handlers=[(evt.EVT_CONN_OPEN, send_at_once)],
        )
        if not association.is_established:
            raise ArchiveUnavailable(f"archive {archive.name}: no association with {archive.ae_title}")
        try:
            yield association
        except BaseException:
            association.abort()
            raise
        association.release()

    def _find(
        self, association: Association, level: str, keys: Sequence[str], where: dict[str, Any]
    ) -> list[Dataset]:
        """All answers of one C-FIND: `keys` to return, `where` to match."""
        query = Dataset()
        query.QueryRetrieveLevel = level
        for keyword in keys:
            setattr(query, keyword, None)
        for keyword, value in where.items():
            setattr(query, keyword, value)
        try:
            return list(self._answers(association.send_c_find(query, StudyRootFind)))
        except (RuntimeError, ValueError) as error:
            # The association has ended, or has no presentation context for the query.
            reason = f"archive {self._archive.name}: C-FIND cannot be sent"
            raise ArchiveUnavailable(reason) from error

    def _answers(self, responses: Iterator[tuple[Dataset, Dataset | None]]) -> Iterator[Dataset]:
        for response, answer in responses:
            status = response.get("Status")
            if status is None:
                raise ArchiveUnavailable(f"archive {self._archive.name}: no answer to C-FIND")
            if status in _PENDING and answer is not None:
                yield answer
            elif status in (*_PENDING, _LIMIT_REACHED):
                log.warning("archive: answers are missing", archive=self._archive.name, status=hex(status))
            elif status != _SUCCESS:
                raise ArchiveUnavailable(f"archive {self._archive.name}: C-FIND status 0x{status:04X}")

"""An archive asked by C-FIND in the Study Root model (PS3.4 §C.6.2)."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import build_context, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as StudyRootFind  # type: ignore[attr-defined]
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from mappings.dicom import studies
from mappings.dicom.studies import (
    INSTANCE_KEYS,
    SERIES_DETAIL_KEYS,
    SERIES_KEYS,
    STUDY_DETAIL_KEYS,
    STUDY_KEYS,
)
from radflow.connectors import c_get
from radflow.connectors.association import NothingAccepted, associated
from radflow.connectors.c_get import Getter
from radflow.connectors.dicom import keep_patients_out_of_the_log
from radflow.connectors.instances import LARGEST_INSTANCE
from radflow.connectors.wanted import (
    ECHO_SECONDS,
    ArchiveUnavailable,
    Counts,
    Wanted,
    keys_for,
    only_wanted,
    period,
    without_counts,
)
from radflow.model import Instance, Series, Study
from radflow.settings import DimseArchive

log = structlog.get_logger()

# Statuses of C-FIND: PS3.4 table C.4-1.
_PENDING = (0xFF00, 0xFF01)
_SUCCESS = 0x0000
_LIMIT_REACHED = 0xB001


# Every SCP takes this syntax (PS3.5 §10.1), and its 32-bit length holds a long list of UIDs.
_FIND = build_context(StudyRootFind, ImplicitVRLittleEndian)
_ECHO = build_context(Verification, ImplicitVRLittleEndian)
_CONNECTS_WITHIN = 10.0
"""Seconds: a host that is away is known to be so before a slow archive has answered."""


class DimseClient:
    """An `ArchiveClient` by DIMSE; each question has an association of its own."""

    def __init__(self, archive: DimseArchive, zone: ZoneInfo) -> None:
        keep_patients_out_of_the_log()
        self._archive = archive
        self._zone = zone
        self._limited = False
        """Whether the last query has more answers than the archive has sent."""

    def echo(self) -> None:
        with self._association([_ECHO], within=ECHO_SECONDS) as association:
            if association.send_c_echo().get("Status") != _SUCCESS:
                raise ArchiveUnavailable(f"archive {self._archive.name}: no answer to C-ECHO")

    def find_studies(self, wanted: Sequence[Wanted], today: date) -> list[Study]:
        if not wanted:
            return []
        keys = keys_for(wanted, today, self._archive.find_by, self._archive.longest_list)
        with self._association() as association:
            answers = self._find(association, "STUDY", STUDY_KEYS, keys)
        return only_wanted((self._study(answer) for answer in answers), wanted)

    def find_period(self, first: date, last: date) -> list[Study]:
        with self._association() as association:
            return [self._study(answer) for answer in self._days(association, first, last)]

    def _days(self, association: Association, first: date, last: date) -> list[Dataset]:
        """Halved, and halved again, where an archive says that it has more than it will answer."""
        answers = self._find(association, "STUDY", STUDY_KEYS, {"StudyDate": period(first, last)})
        if not self._limited or first >= last:
            return answers
        middle = first + (last - first) // 2
        return [
            *self._days(association, first, middle),
            *self._days(association, middle + timedelta(days=1), last),
        ]

    def count(self, study_instance_uid: str) -> Counts:
        here = {"StudyInstanceUID": study_instance_uid}
        with self._association() as association:
            series = self._find(association, "SERIES", SERIES_KEYS, here)
            told = [studies.series_instances(one) for one in series] if self._archive.counts else [None]
            numbers = [number for number in told if number is not None]
            if len(numbers) == len(series):
                return Counts(len(series), sum(numbers))
            return Counts(len(series), sum(map(len, self._instances(association, here, series).values())))

    def describe(self, study_instance_uid: str) -> Study | None:
        here = {"StudyInstanceUID": study_instance_uid}
        with self._association() as association:
            found = self._find(association, "STUDY", STUDY_DETAIL_KEYS, here)
            if not found:
                return None
            answers = self._find(association, "SERIES", SERIES_DETAIL_KEYS, here)
            instances = self._instances(association, here, answers)
            series = [
                studies.series(one, self._zone, instances.get(str(one.SeriesInstanceUID), ()))
                for one in answers
            ]
            return self._study(found[0], tuple(series))

    def _instances(
        self, association: Association, study: dict[str, str], series: Sequence[Dataset]
    ) -> dict[str, tuple[Instance, ...]]:
        """Those of each series: by one query for all of them, or else by one for each."""
        if not self._archive.relational:
            uids = [str(one.SeriesInstanceUID) for one in series]
            return {
                uid: _read(
                    self._find(association, "IMAGE", INSTANCE_KEYS, study | {"SeriesInstanceUID": uid})
                )
                for uid in uids
            }
        of_series: dict[str, list[Dataset]] = {}
        for answer in self._find(association, "IMAGE", (*INSTANCE_KEYS, "SeriesInstanceUID"), study):
            of_series.setdefault(str(answer.SeriesInstanceUID), []).append(answer)
        return {uid: _read(answers) for uid, answers in of_series.items()}

    def _study(self, answer: Dataset, series: tuple[Series, ...] = ()) -> Study:
        found = studies.study(answer, self._archive.name, self._zone, series)
        return found if self._archive.counts else without_counts(found)

    def fetch(
        self, study: str, series: str, instance: str, largest: int = LARGEST_INSTANCE
    ) -> Dataset | None:
        getter = Getter(self._archive.name, instance, largest)
        try:
            with self._association(c_get.contexts(), c_get.roles(), getter.handlers()) as association:
                return getter.get(association, study, series)
        except NothingAccepted as error:
            raise c_get.no_c_get(self._archive.name) from error

    def _association(
        self,
        contexts: Sequence[PresentationContext] = (_FIND,),
        roles: Sequence[Any] = (),
        handlers: Sequence[evt.EventHandlerType] = (),
        within: float | None = None,
    ) -> AbstractContextManager[Association]:
        return associated(
            self._archive, contexts, roles, handlers, seconds=within, connects_within=_CONNECTS_WITHIN
        )

    def _find(
        self, association: Association, level: str, keys: Sequence[str], where: dict[str, Any]
    ) -> list[Dataset]:
        """All answers of one C-FIND: `keys` to return, the UID of the level first, `where` to match."""
        query = Dataset()
        query.QueryRetrieveLevel = level
        for keyword in keys:
            setattr(query, keyword, None)
        for keyword, value in where.items():
            setattr(query, keyword, value)
        self._limited = False
        try:
            return studies.once_each(self._answers(association.send_c_find(query, StudyRootFind)), keys[0])
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
                self._limited = True
                log.warning("archive: answers are missing", archive=self._archive.name, status=hex(status))
            elif status != _SUCCESS:
                raise ArchiveUnavailable(f"archive {self._archive.name}: C-FIND status 0x{status:04X}")


def _read(answers: Sequence[Dataset]) -> tuple[Instance, ...]:
    return tuple(studies.instance(one) for one in answers)

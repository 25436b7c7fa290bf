"""An archive asked by QIDO-RS (PS3.18 §10.6)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import requests
from dicomweb_client.api import DICOMwebClient
from dicomweb_client.session_utils import create_session
from pydicom import Dataset

from mappings.dicom import studies
from mappings.dicom.studies import (
    INSTANCE_KEYS,
    SERIES_DETAIL_KEYS,
    SERIES_KEYS,
    STUDY_DETAIL_KEYS,
    STUDY_KEYS,
)
from radflow.connectors.dicom import keep_patients_out_of_the_log
from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.http_auth import requests_auth
from radflow.connectors.instances import LARGEST_INSTANCE
from radflow.connectors.requests_tls import TlsAdapter
from radflow.connectors.wado import get_instance
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
from radflow.model import Series, Study
from radflow.settings import DicomWebArchive
from radflow.settings.tls import ClientTls

_LIMITS_ARE_MULTIPLES_OF = 100

_Search = Callable[..., list[dict[str, Any]]]


class DicomWebClient:
    """An `ArchiveClient` by DICOMweb."""

    def __init__(self, archive: DicomWebArchive, zone: ZoneInfo) -> None:
        keep_patients_out_of_the_log()
        self._archive = archive
        self._zone = zone
        self._more = False
        self._session = create_session()
        self._session.auth = requests_auth(archive.auth)
        self._session.mount("https://", TlsAdapter(archive.tls or ClientTls()))
        self._client = DICOMwebClient(
            archive.url.rstrip("/"),
            session=self._session,
            timeout=archive.timeout_seconds,
            callback=self._note_warning,
            permissive_uid=True,
        )
        # The next sweep asks again; waiting here would hold up the other archives.
        self._client.set_http_retry_params(retry=False)

    def echo(self) -> None:
        url = f"{self._archive.url.rstrip('/')}/studies"
        nobody = {"StudyInstanceUID": "1.2.3", "limit": "1"}
        seconds = min(ECHO_SECONDS, self._archive.timeout_seconds)
        accept = {"Accept": "application/dicom+json"}
        with self._unavailable_when_broken():
            self._session.get(url, params=nobody, headers=accept, timeout=seconds).raise_for_status()

    def find_studies(self, wanted: Sequence[Wanted], today: date) -> list[Study]:
        if not wanted:
            return []
        keys = keys_for(wanted, today, self._archive.find_by, self._archive.longest_list)
        filters = {keyword: ",".join(values) for keyword, values in keys.items()}
        answers = self._ask(self._client.search_for_studies, STUDY_KEYS, search_filters=filters)
        return only_wanted((self._study(answer) for answer in answers), wanted)

    def find_period(self, first: date, last: date) -> list[Study]:
        days = {"StudyDate": period(first, last)}
        answers = self._ask(self._client.search_for_studies, STUDY_KEYS, search_filters=days)
        return [self._study(answer) for answer in answers]

    def count(self, study_instance_uid: str) -> Counts:
        where = {"study_instance_uid": study_instance_uid}
        series = self._ask(self._client.search_for_series, SERIES_KEYS, **where)
        told = [studies.series_instances(one) for one in series] if self._archive.counts else [None]
        numbers = [number for number in told if number is not None]
        if len(numbers) == len(series):
            return Counts(len(series), sum(numbers))
        return Counts(len(series), len(self._ask(self._client.search_for_instances, INSTANCE_KEYS, **where)))

    def describe(self, study_instance_uid: str) -> Study | None:
        here = {"StudyInstanceUID": study_instance_uid}
        found = self._ask(self._client.search_for_studies, STUDY_DETAIL_KEYS, search_filters=here)
        if not found:
            return None
        answers = self._ask(
            self._client.search_for_series, SERIES_DETAIL_KEYS, study_instance_uid=study_instance_uid
        )
        series = tuple(self._series(study_instance_uid, answer) for answer in answers)
        return self._study(found[0], series)

    def fetch(
        self, study: str, series: str, instance: str, largest: int = LARGEST_INSTANCE
    ) -> Dataset | None:
        root, timeout = self._archive.url.rstrip("/"), self._archive.timeout_seconds
        url = f"{root}/studies/{study}/series/{series}/instances/{instance}"
        return get_instance(self._session, url, self._archive.name, timeout, largest)

    def _series(self, study_instance_uid: str, answer: Dataset) -> Series:
        answers = self._ask(
            self._client.search_for_instances,
            INSTANCE_KEYS,
            study_instance_uid=study_instance_uid,
            series_instance_uid=str(answer.SeriesInstanceUID),
        )
        return studies.series(answer, self._zone, tuple(studies.instance(one) for one in answers))

    def _study(self, answer: Dataset, series: tuple[Series, ...] = ()) -> Study:
        found = studies.study(answer, self._archive.name, self._zone, series)
        return found if self._archive.counts else without_counts(found)

    def _ask(self, search: _Search, keys: Sequence[str], **where: Any) -> list[Dataset]:
        """All answers of one search: no match is 200 with an empty list, or 204."""
        fields = keys if self._archive.include_fields else None
        with self._unavailable_when_broken():
            answers = self._pages(search, fields=fields, **where)
            return studies.once_each(map(Dataset.from_json, answers), keys[0])

    @contextmanager
    def _unavailable_when_broken(self) -> Iterator[None]:
        """Whatever keeps the archive from answering; also that nobody vouches for us (`[archives.auth]`)."""
        name = self._archive.name
        try:
            yield
        except requests.RequestException as error:
            status = error.response.status_code if error.response is not None else type(error).__name__
            raise ArchiveUnavailable(f"archive {name}: QIDO-RS failed: {status}") from error
        except (Refused, Unavailable) as error:
            raise ArchiveUnavailable(f"archive {name}: {error}") from error
        except ValueError as error:
            raise ArchiveUnavailable(f"archive {name}: the answer to QIDO-RS is not DICOM JSON") from error

    def _pages(self, search: _Search, **where: Any) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        self._more = True
        while self._more:
            self._more = False
            page = search(offset=len(answers) or None, **where)
            if not self._archive.paging:
                return page
            if not page or page[:1] == answers[:1]:
                # No more; or the server knows no offset, and this is the first page again.
                break
            answers += page
            # Some servers limit in silence, to 100 or 1,000: a page of just so many is worth a second look.
            self._more = self._more or len(page) % _LIMITS_ARE_MULTIPLES_OF == 0
        return answers

    def _note_warning(self, response: requests.Response, *_: Any, **__: Any) -> requests.Response:
        """A server that has more results than it sends says so in a Warning header (PS3.18 §8.3.4.4)."""
        self._more = self._more or "Warning" in response.headers
        return response

"""Studies of an archive by any keys: those of a range of dates, or the earlier ones of a patient."""

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as StudyRootFind  # type: ignore[attr-defined]

from mappings.dicom import studies
from mappings.dicom.studies import STUDY_KEYS
from radflow.connectors.association import associated
from radflow.connectors.transfer.statuses import PENDING, SUCCESS
from radflow.connectors.transfer.web import check_status, client_of, unavailable_when_broken
from radflow.connectors.wanted import ArchiveUnavailable
from radflow.model import Study
from radflow.settings import DicomWebArchive, DimseArchive

_KEYS = (*STUDY_KEYS, "IssuerOfPatientID")
_PAGE = 100
_FIND = build_context(StudyRootFind, ImplicitVRLittleEndian)


def search_studies(
    archive: DimseArchive | DicomWebArchive, zone: ZoneInfo, where: Mapping[str, str], issuer: str = ""
) -> list[Study]:
    """The studies that match these keys (keyword → value), without series.

    Args:
        issuer: leave out those whose Issuer of Patient ID (0010,0021) is told and is another one.

    Raises:
        ArchiveUnavailable: it does not answer.
        Refused: it does not let us ask.
    """
    answers = _by_qido(archive, where) if isinstance(archive, DicomWebArchive) else _by_c_find(archive, where)
    return [
        studies.study(answer, archive.name, zone)
        for answer in answers
        if not issuer or str(answer.get("IssuerOfPatientID") or issuer) == issuer
    ]


def _by_c_find(archive: DimseArchive, where: Mapping[str, str]) -> Iterator[Dataset]:
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    for keyword in _KEYS:
        setattr(query, keyword, where.get(keyword))
    with associated(archive, [_FIND]) as association:
        for status, answer in association.send_c_find(query, StudyRootFind):
            code = status.get("Status")
            if answer is not None and code in (PENDING, PENDING + 1):
                yield answer
            elif code != SUCCESS:
                says = "no answer to C-FIND" if code is None else f"C-FIND status 0x{code:04X}"
                raise ArchiveUnavailable(f"archive {archive.name}: {says}")


def _by_qido(archive: DicomWebArchive, where: Mapping[str, str]) -> Iterator[Dataset]:
    """Page by page (PS3.18 §8.3.4.4): no match is 200 with an empty list, or 204."""
    first: Any = None
    with client_of(archive) as client:
        offset = 0
        while page := _page(client, archive, where, offset):
            if page[0] == first:
                # The server knows no offset: this is the first page again.
                return
            first = first or page[0]
            yield from (Dataset.from_json(answer) for answer in page)
            offset += len(page)


def _page(client: httpx.Client, archive: DicomWebArchive, where: Mapping[str, str], offset: int) -> Any:
    parameters = {**where, "includefield": ",".join(_KEYS), "limit": str(_PAGE), "offset": str(offset)}
    with unavailable_when_broken(archive.name, "QIDO-RS"):
        answer = client.get(
            f"{archive.url.rstrip('/')}/studies",
            params=parameters,
            headers={"Accept": "application/dicom+json"},
        )
    check_status(answer.status_code, archive.name, "QIDO-RS")
    if answer.status_code == httpx.codes.NO_CONTENT:
        return []
    try:
        return answer.raise_for_status().json()
    except (httpx.HTTPStatusError, ValueError):
        raise ArchiveUnavailable(f"archive {archive.name}: QIDO-RS failed: {answer.status_code}") from None

"""What an archive can do by QIDO-RS (PS3.18 §10.6)."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from pydicom import Dataset

from mappings.dicom.studies import INSTANCE_KEYS, SERIES_KEYS
from radflow.connectors.archive import ArchiveUnavailable
from radflow.connectors.dicomweb import DicomWebClient
from radflow.connectors.probe import checks
from radflow.connectors.probe.checks import Report
from radflow.model import Study
from radflow.settings import DicomWebArchive

_LENGTHS = (100, 50, 20, 10)
_STUDY_DESCRIPTION = "00081030"
"""Not among what is answered unasked (PS3.18 table 10.6.3-3)."""


def probe_dicomweb(archive: DicomWebArchive, zone: ZoneInfo, today: date) -> Report:
    """Everything that the site file wants to know of a DICOMweb archive."""
    report = Report()
    client = _Prober(archive.model_copy(update={"counts": True}), zone)
    with report.check("answers"):
        client.echo()
        report.add("answers", "yes")
    try:
        examples = checks.examples_of(client, today)
    except ArchiveUnavailable as error:
        report.add("search", "no", str(error))
        return report
    report.add("search", "yes", f"{len(examples)} studies to try with")
    checks.check_ways(report, client, examples, _LENGTHS, archive.find_by)
    if examples:
        _paging(report, client, examples)
        _fields(report, client, examples[0].study_instance_uid)
        _try_one(report, client, examples[0])
    return report


def _paging(report: Report, client: "_Prober", examples: Sequence[Study]) -> None:
    """`limit` and `offset`: pages of one study each, of which the second is not the first."""
    with report.check("paging"):
        first, second = client.studies(limit=1), client.studies(limit=1, offset=1)
        if len(examples) < 2:
            report.add("paging", "unknown", "there is only one study")
        else:
            apart = len(first) == len(second) == 1 and first != second
            report.lines["paging"] = report.add("paging", apart)


def _fields(report: Report, client: "_Prober", uid: str) -> None:
    with report.check("include-fields"):
        (answer, *_) = client.studies(StudyInstanceUID=uid, includefield=_STUDY_DESCRIPTION) or [{}]
        told = _STUDY_DESCRIPTION in answer
        detail = "" if told else "the attribute that was asked for is not told; the study may have none"
        report.add("include-fields", "yes" if told else "unknown", detail)
    if report.answer("include-fields") == "no":
        report.lines["include_fields"] = False


def _try_one(report: Report, client: "_Prober", study: Study) -> None:
    """What it tells of a study, its series and its instances."""
    report.lines["counts"] = checks.check_counts(report, client, study)
    report.add(
        "modalities-in-study", bool(study.modalities), "" if study.modalities else "those of its series"
    )
    for name, search, keys in (
        ("series", client.series, SERIES_KEYS),
        ("instances", client.instances, INSTANCE_KEYS),
    ):
        with report.check(name):
            answers = search(study.study_instance_uid)
            untold = [key for key in keys if all(answer.get(key) in (None, "") for answer in answers)]
            report.add(name, bool(answers), f"not told: {', '.join(untold)}" if answers and untold else "")
    if len(study.patient_id) > 1:
        with report.check("wildcards"):
            found = client.studies(PatientID=f"{study.patient_id[:-1]}*", limit=100)
            report.add("wildcards", bool(found))


class _Prober(DicomWebClient):
    """The client, asked more freely."""

    def studies(self, **parameters: Any) -> list[dict[str, Any]]:
        """One request, its answer as JSON."""
        url = f"{self._archive.url.rstrip('/')}/studies"
        accept, seconds = {"Accept": "application/dicom+json"}, self._archive.timeout_seconds
        with self._unavailable_when_broken():
            response = self._session.get(url, params=parameters, headers=accept, timeout=seconds)
            response.raise_for_status()
            answers: list[dict[str, Any]] = response.json() if response.content else []
        return answers

    def series(self, uid: str) -> list[Dataset]:
        return self._ask(self._client.search_for_series, SERIES_KEYS, study_instance_uid=uid)

    def instances(self, uid: str) -> list[Dataset]:
        return self._ask(self._client.search_for_instances, INSTANCE_KEYS, study_instance_uid=uid)

    def uids_by_uid(self, uids: Sequence[str]) -> list[str]:
        return _values(self.studies(StudyInstanceUID=",".join(uids)), "0020000D")

    def accessions_by_accession(self, numbers: Sequence[str]) -> list[str]:
        return _values(self.studies(AccessionNumber=",".join(numbers)), "00080050")


def _values(answers: Sequence[dict[str, Any]], tag: str) -> list[str]:
    return [str(value).strip() for answer in answers for value in answer.get(tag, {}).get("Value", [])]

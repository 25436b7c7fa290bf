"""What an archive can do by C-FIND (PS3.4 annex C), and how it hands out images."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as StudyRootGet  # type: ignore[attr-defined]
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as StudyRootMove  # type: ignore[attr-defined]

from mappings.dicom.studies import INSTANCE_KEYS, SERIES_KEYS, STUDY_KEYS
from radflow.connectors.archive import ArchiveUnavailable
from radflow.connectors.dimse import DimseClient
from radflow.connectors.probe import checks
from radflow.connectors.probe.checks import Report
from radflow.model import Study
from radflow.settings import DimseArchive

_LENGTHS = (1000, 500, 100, 50, 10)


def probe_dimse(archive: DimseArchive, zone: ZoneInfo, today: date) -> Report:
    """Everything that the site file wants to know of a DIMSE archive."""
    report = Report()
    client = _Prober(archive.model_copy(update={"counts": True, "relational": False}), zone)
    with report.check("echo"):
        client.echo()
        report.add("echo", "yes")
    try:
        examples = checks.examples_of(client, today)
    except ArchiveUnavailable as error:
        report.add("find", "no", str(error))
        return report
    report.add("find", "yes", f"{len(examples)} studies to try with")
    checks.check_ways(report, client, examples, _LENGTHS, archive.find_by)
    if examples:
        _try_one(report, client, examples[0])
    _retrieval(report, client)
    return report


def _try_one(report: Report, client: "_Prober", study: Study) -> None:
    """What it tells of a study, its series and its instances."""
    report.lines["counts"] = checks.check_counts(report, client, study)
    report.add(
        "modalities-in-study", bool(study.modalities), "" if study.modalities else "those of its series"
    )
    here = {"StudyInstanceUID": study.study_instance_uid}
    with report.check("series"):
        series = client.ask("SERIES", SERIES_KEYS, here)
        report.add("series", bool(series), _untold(series, SERIES_KEYS))
    with report.check("instances"):
        one = here | {"SeriesInstanceUID": str(series[0].SeriesInstanceUID)} if series else here
        instances = client.ask("IMAGE", INSTANCE_KEYS, one)
        report.add("instances", bool(instances), _untold(instances, INSTANCE_KEYS))
    with report.check("relational"):
        shown = client.ask("IMAGE", (*INSTANCE_KEYS, "SeriesInstanceUID"), here)
        told = {str(answer.get("SeriesInstanceUID", "")) for answer in shown}
        report.lines["relational"] = report.add(
            "relational", bool(series) and told == {str(answer.SeriesInstanceUID) for answer in series}
        )
    if len(study.patient_id) > 1:
        with report.check("wildcards"):
            found = client.ask("STUDY", STUDY_KEYS, {"PatientID": f"{study.patient_id[:-1]}*"})
            report.add("wildcards", study.study_instance_uid in _values(found, "StudyInstanceUID"))


def _retrieval(report: Report, client: "_Prober") -> None:
    for name, sop_class in (("c-get", StudyRootGet), ("c-move", StudyRootMove)):
        report.add(name, client.offers(sop_class))


def _untold(answers: Sequence[Dataset], keys: Sequence[str]) -> str:
    untold = [key for key in keys if all(answer.get(key) in (None, "") for answer in answers)]
    return f"not told: {', '.join(untold)}" if answers and untold else ""


def _values(answers: Sequence[Dataset], keyword: str) -> list[str]:
    return [str(answer.get(keyword, "")).strip() for answer in answers]


class _Prober(DimseClient):
    """The client, asked more freely."""

    def ask(self, level: str, keys: Sequence[str], where: dict[str, Any]) -> list[Dataset]:
        with self._association() as association:
            return self._find(association, level, keys, where)

    def uids_by_uid(self, uids: Sequence[str]) -> list[str]:
        answers = self.ask("STUDY", STUDY_KEYS, {"StudyInstanceUID": list(uids)})
        return _values(answers, "StudyInstanceUID")

    def accessions_by_accession(self, numbers: Sequence[str]) -> list[str]:
        return _values(self.ask("STUDY", STUDY_KEYS, {"AccessionNumber": list(numbers)}), "AccessionNumber")

    def offers(self, sop_class: str) -> bool:
        try:
            with self._association([build_context(sop_class, ImplicitVRLittleEndian)]):
                return True
        except ArchiveUnavailable:
            return False

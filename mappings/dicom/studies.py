"""What an archive answers, by C-FIND or QIDO-RS → Study, Series, Instance (PS3.4 §C.6.2, PS3.18 §10.6)."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from pydicom import Dataset
from pydicom.multival import MultiValue

from mappings.dicom.physicians import codes, physicians
from radflow.model import CodedConcept, Instance, Practitioner, Series, Study

STUDY_KEYS = (
    "StudyInstanceUID", "AccessionNumber", "PatientID", "StudyDate", "StudyTime", "StudyDescription",
    "ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
)  # fmt: skip
SERIES_KEYS = (
    "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "BodyPartExamined", "Laterality",
    "SeriesDate", "SeriesTime", "NumberOfSeriesRelatedInstances",
)  # fmt: skip
INSTANCE_KEYS = ("SOPInstanceUID", "SOPClassUID", "InstanceNumber")
"""The return keys to ask for at each level."""
STUDY_DETAIL_KEYS = (
    *STUDY_KEYS, "IssuerOfAccessionNumberSequence", "ReferringPhysicianName",
    "ReferringPhysicianIdentificationSequence", "NameOfPhysiciansReadingStudy",
    "PhysiciansReadingStudyIdentificationSequence", "ProcedureCodeSequence", "InstitutionalDepartmentName",
    "TimezoneOffsetFromUTC",
)  # fmt: skip
SERIES_DETAIL_KEYS = (
    *SERIES_KEYS, "OperatorsName", "OperatorIdentificationSequence", "TimezoneOffsetFromUTC",
)  # fmt: skip
"""Those of one study that is described; many archives have to read files for them."""


def once_each(answers: Iterable[Dataset], uid: str) -> list[Dataset]:
    """Each study, series or instance once, by its UID (a keyword): some archives answer with duplicates."""
    return list({str(answer.get(uid) or number): answer for number, answer in enumerate(answers)}.values())


def study(answer: Dataset, archive: str, zone: ZoneInfo, series: tuple[Series, ...] = ()) -> Study:
    """A study-level answer of this archive, and its series where they were asked for."""
    return Study(
        study_instance_uid=_text(answer, "StudyInstanceUID"),
        archive=archive,
        accession_number=_text(answer, "AccessionNumber"),
        patient_id=_text(answer, "PatientID"),
        description=_text(answer, "StudyDescription"),
        started=_moment(answer, "StudyDate", "StudyTime", zone),
        # Not every archive tells Modalities in Study (0008,0061); its series do.
        modalities=_texts(answer, "ModalitiesInStudy") or tuple(sorted({s.modality for s in series} - {""})),
        accession_assigner=_issuer(answer),
        referring_physician=next(iter(_referring(answer)), Practitioner()),
        readers=physicians(
            answer, "NameOfPhysiciansReadingStudy", "PhysiciansReadingStudyIdentificationSequence"
        ),
        procedure_codes=codes(answer, "ProcedureCodeSequence"),
        reasons=_reasons(answer),
        department=_text(answer, "InstitutionalDepartmentName"),
        number_of_series=_number(answer, "NumberOfStudyRelatedSeries"),
        number_of_instances=_number(answer, "NumberOfStudyRelatedInstances"),
        series=series,
    )


def series_instances(answer: Dataset) -> int | None:
    """Number of Series Related Instances (0020,1209); None where the archive does not tell it."""
    return _number(answer, "NumberOfSeriesRelatedInstances")


def series(answer: Dataset, zone: ZoneInfo, instances: tuple[Instance, ...] = ()) -> Series:
    """A series-level answer, and its instances where they were asked for."""
    return Series(
        series_instance_uid=_text(answer, "SeriesInstanceUID"),
        modality=_text(answer, "Modality"),
        number=_number(answer, "SeriesNumber"),
        description=_text(answer, "SeriesDescription"),
        body_part=_text(answer, "BodyPartExamined"),
        laterality=_text(answer, "Laterality"),
        started=_moment(answer, "SeriesDate", "SeriesTime", zone),
        performers=physicians(answer, "OperatorsName", "OperatorIdentificationSequence"),
        instances=instances,
    )


def instance(answer: Dataset) -> Instance:
    """An instance-level answer."""
    return Instance(
        sop_instance_uid=_text(answer, "SOPInstanceUID"),
        sop_class_uid=_text(answer, "SOPClassUID"),
        number=_number(answer, "InstanceNumber"),
        title=_text(answer, "DocumentTitle") or _concept_name(answer) or _text(answer, "ContentLabel"),
    )


def _referring(answer: Dataset) -> tuple[Practitioner, ...]:
    return physicians(answer, "ReferringPhysicianName", "ReferringPhysicianIdentificationSequence")


def _issuer(answer: Dataset) -> str:
    """Issuer of Accession Number (0008,0051): Universal Entity ID (0040,0032), else Local (0040,0031)."""
    item = next(iter(answer.get("IssuerOfAccessionNumberSequence") or ()), None)
    return (_text(item, "UniversalEntityID") or _text(item, "LocalNamespaceEntityID")) if item else ""


def _reasons(answer: Dataset) -> tuple[CodedConcept, ...]:
    """Reason for Requested Procedure Code Sequence (0040,100A), of each Request Attributes item once."""
    requests = answer.get("RequestAttributesSequence") or ()
    reasons = (
        reason for request in requests for reason in codes(request, "ReasonForRequestedProcedureCodeSequence")
    )
    return tuple(dict.fromkeys(reasons))


def _concept_name(answer: Dataset) -> str:
    return next((code.display for code in codes(answer, "ConceptNameCodeSequence")), "")


def _texts(answer: Dataset, keyword: str) -> tuple[str, ...]:
    value = answer.get(keyword)
    values = value if isinstance(value, MultiValue) else [value]
    return tuple(str(one).strip() for one in values if one not in (None, ""))


def _text(answer: Dataset, keyword: str) -> str:
    return next(iter(_texts(answer, keyword)), "")


def _number(answer: Dataset, keyword: str) -> int | None:
    try:
        return int(_text(answer, keyword))
    except ValueError:
        return None


def _moment(answer: Dataset, date_key: str, time_key: str, zone: ZoneInfo) -> datetime | None:
    """DA and TM of the archive → UTC; None where the date is missing or is none."""
    date, time = _text(answer, date_key), _text(answer, time_key).partition(".")[0].replace(":", "")
    try:
        local = datetime.strptime(date.replace(".", "") + time.ljust(6, "0"), "%Y%m%d%H%M%S")  # noqa: DTZ007
    except ValueError:
        return None
    return local.replace(tzinfo=_offset(answer) or zone).astimezone(UTC)


def _offset(answer: Dataset) -> timezone | None:
    """Timezone Offset From UTC (0008,0201), `+0100`; most archives leave it out."""
    try:
        offset = int(_text(answer, "TimezoneOffsetFromUTC"))
    except ValueError:
        return None
    minutes = abs(offset) // 100 * 60 + abs(offset) % 100
    return timezone(timedelta(minutes=minutes if offset >= 0 else -minutes))

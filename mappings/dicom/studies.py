"""What an archive answers, by C-FIND or QIDO-RS → Study, Series, Instance (PS3.4 §C.6.2, PS3.18 §10.6)."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from pydicom import Dataset
from pydicom.multival import MultiValue

from radflow.model import Instance, Series, Study

STUDY_KEYS = (
    "StudyInstanceUID", "AccessionNumber", "PatientID", "StudyDate", "StudyTime", "StudyDescription",
    "ModalitiesInStudy",
)  # fmt: skip
SERIES_KEYS = (
    "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "BodyPartExamined", "Laterality",
    "SeriesDate", "SeriesTime",
)  # fmt: skip
INSTANCE_KEYS = ("SOPInstanceUID", "SOPClassUID", "InstanceNumber")
"""The return keys to ask for at each level."""


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
        series=series,
    )


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
        instances=instances,
    )


def instance(answer: Dataset) -> Instance:
    """An instance-level answer."""
    return Instance(
        sop_instance_uid=_text(answer, "SOPInstanceUID"),
        sop_class_uid=_text(answer, "SOPClassUID"),
        number=_number(answer, "InstanceNumber"),
    )


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

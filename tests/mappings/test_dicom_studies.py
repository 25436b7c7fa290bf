"""What an archive answers → Study, Series, Instance."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pydicom import Dataset

from mappings.dicom import studies
from radflow.model import Instance, Series

BERLIN = ZoneInfo("Europe/Berlin")


def an_answer(**values: object) -> Dataset:
    answer = Dataset()
    for keyword, value in values.items():
        setattr(answer, keyword, value)
    return answer


@pytest.mark.parametrize(
    ("date", "time", "offset", "started"),
    [
        ("20261124", "100000", None, datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("20260724", "1000", None, datetime(2026, 7, 24, 8, tzinfo=UTC)),
        ("20261124", "100000.123456", None, datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("20261124", "", None, datetime(2026, 11, 23, 23, tzinfo=UTC)),
        ("20261124", "100000", "-0330", datetime(2026, 11, 24, 13, 30, tzinfo=UTC)),
        ("2026.11.24", "10:00:00", None, datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("17320431", "", None, None),
        ("", "100000", None, None),
    ],
)
def test_local_times_become_utc(date: str, time: str, offset: str | None, started: datetime | None) -> None:
    """In the site's zone, or by the offset that the archive tells; a date that is none is left out."""
    answer = an_answer(StudyInstanceUID="1.2", StudyDate=date, StudyTime=time, TimezoneOffsetFromUTC=offset)
    assert studies.study(answer, "pacs", BERLIN).started == started


def test_an_answer_by_json_is_read_as_one_by_c_find() -> None:
    """QIDO-RS and C-FIND give the same study."""
    answer = an_answer(
        StudyInstanceUID="1.2", AccessionNumber="A1 ", PatientID="4711", StudyDescription="CT",
        ModalitiesInStudy=["CT", "SR"],
    )  # fmt: skip
    study = studies.study(answer, "pacs", BERLIN)
    assert study == studies.study(Dataset.from_json(answer.to_json()), "pacs", BERLIN)
    assert (study.accession_number, study.modalities) == ("A1", ("CT", "SR"))


def test_modalities_come_from_the_series_where_the_archive_tells_none() -> None:
    """A legacy archive does not know Modalities in Study (0008,0061)."""
    series = tuple(Series(series_instance_uid=uid, modality=m) for uid, m in [("1", "SR"), ("2", "CT")])
    assert studies.study(an_answer(StudyInstanceUID="1.2"), "pacs", BERLIN, series).modalities == ("CT", "SR")


def test_series_and_instances() -> None:
    """Numbers that are missing stay missing."""
    instance = studies.instance(an_answer(SOPInstanceUID="1.2.3", SOPClassUID="1.2.4", InstanceNumber="7"))
    assert instance == Instance(sop_instance_uid="1.2.3", sop_class_uid="1.2.4", number=7)
    series = studies.series(
        an_answer(SeriesInstanceUID="1.2", Modality="CT", SeriesNumber=""), BERLIN, (instance,)
    )
    assert (series.number, series.modality, series.instances) == (None, "CT", (instance,))

"""Reading an order's structured reports: each once, none in vain, and nothing lost when one is bad."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from pydicom import Dataset

from radflow.connectors.archive import ArchiveUnavailable, FakeArchive
from radflow.connectors.instances import NotRetrievable
from radflow.model import Instance, Series, Study
from radflow.store import orders, structured_reports, studies
from radflow.store.engine import Store
from tasks import structured_reports as tasks
from tests.builders import an_order
from tests.builders_sr import key_object, measurement_report, text_report

STUDY = an_order().study_instance_uid
SITE = """
[[archives]]
kind = "dimse"
name = "pacs"
host = "127.0.0.1"
port = 1
ae_title = "PACS"
"""


@pytest.fixture
def archive() -> FakeArchive:
    return FakeArchive()


@pytest.fixture
def key(
    store: Store, now: datetime, archive: FakeArchive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[str]:
    """An order of the site `main`, whose archive is the fake."""
    from radflow.settings import settings

    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "main.toml").write_text(SITE)
    monkeypatch.setenv("RADFLOW_SITES_DIR", str(tmp_path / "sites"))
    settings.cache_clear()
    monkeypatch.setattr(tasks, "store", lambda: store)
    monkeypatch.setattr("tasks.order.store", lambda: store)
    monkeypatch.setattr(tasks, "open_archive", lambda *_: archive)
    order = an_order()
    with store.write() as session:
        orders.place(session, order, source="test", occurred_at=now, now=now)
    yield order.key
    settings.cache_clear()


def in_the_archive(store: Store, key: str, archive: FakeArchive, now: datetime, *documents: Dataset) -> None:
    """The study as `describe_study` has found it: a CT series, and a series for each document."""
    archive.documents = list(documents)
    images = Series(
        series_instance_uid="1.1", modality="CT",
        instances=(Instance(sop_instance_uid="1.1.1", sop_class_uid="1.2.840.10008.5.1.4.1.1.2"),),
    )  # fmt: skip
    made = [
        Series(
            series_instance_uid=str(one.SeriesInstanceUID),
            modality=one.Modality,
            instances=(Instance(sop_instance_uid=str(one.SOPInstanceUID)),),
        )
        for one in documents
    ]
    study = Study(study_instance_uid=STUDY, archive="pacs", series=(images, *made))
    with store.write() as session:
        studies.save(session, key, study, now)


def read(key: str) -> dict[str, int]:
    done: dict[str, int] = tasks.read_structured_reports.fn(key)
    return done


def test_each_document_is_read_once(store: Store, key: str, archive: FakeArchive, now: datetime) -> None:
    """Fetched alone, kept whole, and never fetched again; a document that is added later is."""
    first = [measurement_report(STUDY), key_object(STUDY)]
    in_the_archive(store, key, archive, now, *first)
    assert read(key) == {"read": 2, "unread": 0}
    assert archive.queries == 2
    assert read(key) == {"read": 0, "unread": 0}
    assert archive.queries == 2
    in_the_archive(store, key, archive, now, *first, text_report(STUDY))
    assert read(key) == {"read": 1, "unread": 0}
    with store.read() as session:
        kept = structured_reports.of_order(session, key)
        assert structured_reports.of_order(session, key, ["9.9"]) == []
        assert structured_reports.of_order(session, key, [STUDY]) == kept
    assert [bool(one.groups) for one in kept] == [True, False, False]
    assert [bool(one.key_images) for one in kept] == [False, True, False]
    assert kept[0].groups[0].measurements[0].sent == "12.5"


def test_a_study_without_documents_asks_nothing(
    store: Store, key: str, archive: FakeArchive, now: datetime
) -> None:
    """Most studies: no query, no connection, no error; nor for an order without any study."""
    assert read(key) == {"read": 0, "unread": 0}
    in_the_archive(store, key, archive, now)
    archive.down = True
    assert read(key) == {"read": 0, "unread": 0}
    assert archive.queries == 0


def test_an_archive_that_is_away_is_unavailable(
    store: Store, key: str, archive: FakeArchive, now: datetime
) -> None:
    """The step is tried again; what was read before stays."""
    in_the_archive(store, key, archive, now, key_object(STUDY))
    archive.down = True
    with pytest.raises(ArchiveUnavailable):
        read(key)
    archive.down = False
    assert read(key) == {"read": 1, "unread": 0}


def test_a_document_that_cannot_be_read_stops_nothing(
    store: Store, key: str, archive: FakeArchive, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, gone, or no document at all: the reason is kept, the others are read, it is tried again."""
    none = Dataset()
    none.SOPClassUID, none.SOPInstanceUID, none.SeriesInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.9", "1.8"
    none.Modality = "SR"
    good, gone, refused = key_object(STUDY), text_report(STUDY), measurement_report(STUDY)
    in_the_archive(store, key, archive, now, none, gone, refused, good)
    archive.documents = [none, good]
    fetch = archive.fetch

    def refuse(study: str, series: str, instance: str) -> Dataset | None:
        if instance == refused.SOPInstanceUID:
            raise NotRetrievable("archive pacs: WADO-RS is refused: 403")
        return fetch(study, series, instance)

    monkeypatch.setattr(archive, "fetch", refuse)
    assert read(key) == {"read": 1, "unread": 3}
    with store.read() as session:
        assert structured_reports.unread(session, key) == {
            "1.9": "the instance has no Content Sequence (0040,A730): it is no SR document",
            str(gone.SOPInstanceUID): "archive pacs no longer has the instance",
            str(refused.SOPInstanceUID): "archive pacs: WADO-RS is refused: 403",
        }
    archive.documents = [none, gone, refused, good]
    monkeypatch.setattr(archive, "fetch", fetch)
    assert read(key) == {"read": 2, "unread": 1}


def test_a_document_of_a_strange_series_is_found_by_its_class(
    store: Store, key: str, archive: FakeArchive, now: datetime
) -> None:
    """A dose report in a CT series: the modality of a series may be anything."""
    made = measurement_report(STUDY)
    archive.documents = [made]
    instance = Instance(sop_instance_uid=str(made.SOPInstanceUID), sop_class_uid=str(made.SOPClassUID))
    series = Series(series_instance_uid="1.1", modality="CT", instances=(instance,))
    with store.write() as session:
        studies.save(session, key, Study(study_instance_uid=STUDY, archive="pacs", series=(series,)), now)
    assert read(key) == {"read": 1, "unread": 0}

"""A site with real archives: Orthanc by DIMSE and DICOMweb, and dcmqrscp, which tells no counts."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydicom import Dataset

from mappings.dicom.worklist import worklist_items
from radflow.order import Event
from radflow.settings import LOOPBACK, read_site
from radflow.simulators.modality import make_study, store_study
from radflow.store.engine import Store
from tests import peers
from tests.builders import an_order
from tests.finding import Rounds

ACQUIRED = datetime(2026, 11, 24, 10, 0)  # noqa: DTZ001 — a modality's clock knows no zone
DIMSE = '[[archives]]\nkind = "dimse"\nname = "{}"\nhost = "127.0.0.1"\nport = {}\nae_title = "{}"\n'
WEB = '[[archives]]\nkind = "dicomweb"\nname = "vna"\nurl = "{}"\n'


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with peers.orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture(scope="module")
def dcmqrscp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with peers.dcmqrscp(tmp_path_factory.mktemp("dcmqrscp")) as running:
        yield running


def images_of(number: str) -> list[Dataset]:
    return make_study(worklist_items(an_order(number), ZoneInfo("UTC"))[0], ACQUIRED)


def a_site(store: Store, now: datetime, folder: Path, archives: str, finding: str = "") -> Rounds:
    file = folder / "main.toml"
    file.write_text(f"{archives}[finding]\n{finding}\n")
    return Rounds(store, read_site(file), now, {})


def test_each_study_is_found_where_it_is(
    store: Store, now: datetime, tmp_path: Path, orthanc: Any, dcmqrscp: Any
) -> None:
    """Stored into dcmqrscp and into Orthanc: the legacy archive is asked first, Orthanc by QIDO-RS next."""
    legacy, web = f"L{store.engine.dialect.name}", f"W{store.engine.dialect.name}"
    store_study(images_of(legacy), LOOPBACK, dcmqrscp.port, dcmqrscp.ae_title)
    store_study(images_of(web), LOOPBACK, orthanc.dicom_port, orthanc.ae_title)
    archives = DIMSE.format("legacy", dcmqrscp.port, dcmqrscp.ae_title) + WEB.format(orthanc.dicomweb_url)
    site = a_site(store, now, tmp_path, archives)
    site.place(an_order(legacy), an_order(web), an_order("NEVER"))
    assert sorted(site.round()) == sorted([an_order(legacy).key, an_order(web).key])
    assert site.log(an_order(legacy).key) == [("study-found", "archive:legacy")]
    assert site.log(an_order(web).key) == [("study-found", "archive:vna")]
    assert site.round() == []


@pytest.mark.parametrize("kind", ["dimse", "dicomweb", "legacy"])
def test_images_arrive_are_complete_and_are_appended(
    store: Store, now: datetime, tmp_path: Path, orthanc: Any, dcmqrscp: Any, kind: str
) -> None:
    """Half of the study, then the rest, ten quiet minutes; published; then another series. Nothing was
    added in between by counting wrong."""
    number = f"A{kind}{store.engine.dialect.name}"
    peer = (dcmqrscp.port, dcmqrscp.ae_title) if kind == "legacy" else (orthanc.dicom_port, "ORTHANC")
    archives = WEB.format(orthanc.dicomweb_url) if kind == "dicomweb" else DIMSE.format("pacs", *peer)
    site = a_site(store, now, tmp_path, archives, "quiet_minutes = 10")
    key = an_order(number).key
    site.place(an_order(number))
    images = images_of(number)
    store_study(images[:1], LOOPBACK, *peer)
    assert site.round() == []
    store_study(images[1:], LOOPBACK, *peer)
    assert site.round(9) == []
    assert site.round(9) == []
    assert site.round(1) == [key]
    assert (site.study(key).number_of_series, site.study(key).number_of_instances) == (2, 4)
    site.happens(key, Event.REPORT_RECEIVED, Event.PUBLISHED)
    assert site.round(61) == []
    appended = make_study(worklist_items(an_order(number), ZoneInfo("UTC"))[0], ACQUIRED)[0]
    appended.SeriesInstanceUID, appended.SeriesNumber = f"{images[0].SeriesInstanceUID[:50]}.9", 9
    appended.SOPInstanceUID = f"{images[0].SOPInstanceUID[:50]}.9"
    appended.file_meta.MediaStorageSOPInstanceUID = appended.SOPInstanceUID
    store_study([appended], LOOPBACK, *peer)
    assert site.round(61) == []
    assert site.round(10) == [key]
    assert (site.study(key).number_of_series, site.study(key).number_of_instances) == (3, 5)
    assert site.state(key) == "reported"
    site.happens(key, Event.PUBLISHED)
    assert site.round(61) == []

"""`radflow probe` against real archives: what it says is what they do."""

import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typer

from mappings.dicom.worklist import worklist_items
from radflow.commands.probe import run_probe
from radflow.connectors.probe import Report, probe
from radflow.settings import LOOPBACK, DicomWebArchive, DimseArchive, settings
from radflow.simulators.modality import make_study, store_study
from radflow.simulators.ports import free_port
from tests import peers
from tests.builders import an_order

UTC = ZoneInfo("UTC")
TODAY = date(2026, 11, 24)
ACQUIRED = datetime(2026, 11, 24, 10, 0)  # noqa: DTZ001 — a modality's clock knows no zone


def fill(port: int, ae_title: str) -> None:
    for number in ("P1", "P2", "P3"):
        images = make_study(worklist_items(an_order(number), UTC)[0], ACQUIRED)
        store_study(images, LOOPBACK, port, ae_title)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with peers.orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        fill(running.dicom_port, running.ae_title)
        yield running


@pytest.fixture(scope="module")
def dcmqrscp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with peers.dcmqrscp(tmp_path_factory.mktemp("dcmqrscp")) as running:
        fill(running.port, running.ae_title)
        yield running


def dimse(port: int, ae_title: str) -> DimseArchive:
    return DimseArchive(kind="dimse", name="pacs", host=LOOPBACK, port=port, ae_title=ae_title)


def answers(report: Report) -> dict[str, str]:
    return {check.name: check.answer for check in report.checks}


def test_orthanc_by_dimse(orthanc: Any) -> None:
    """It can do everything."""
    report = probe(dimse(orthanc.dicom_port, "ORTHANC"), UTC, TODAY)
    said = answers(report)
    for able in ("echo", "find", "date-range", "uid-list", "accession-list", "counts", "relational",
                 "series", "instances", "wildcards", "modalities-in-study", "c-get", "c-move"):  # fmt: skip
        assert said[able] == "yes", able
    assert report.lines == {
        "find_by": "uid-list", "longest_list": 1000, "counts": True, "relational": True,
    }  # fmt: skip


def test_dcmqrscp_is_a_legacy_archive(dcmqrscp: Any) -> None:
    """No counts, no modalities in study, no list of accession numbers."""
    report = probe(dimse(dcmqrscp.port, dcmqrscp.ae_title), UTC, TODAY)
    said = answers(report)
    assert [said[one] for one in ("echo", "date-range", "uid-list")] == ["yes"] * 3
    assert [said[one] for one in ("counts", "modalities-in-study", "accession-list")] == ["no"] * 3
    assert report.lines["find_by"] == "uid-list"
    assert report.lines["counts"] is False


def test_orthanc_by_dicomweb(orthanc: Any) -> None:
    """Comma lists, paging and counts; and what it does not tell."""
    report = probe(DicomWebArchive(kind="dicomweb", name="vna", url=orthanc.dicomweb_url), UTC, TODAY)
    said = answers(report)
    for able in ("answers", "search", "date-range", "uid-list", "counts", "paging", "series", "instances"):
        assert said[able] == "yes", able
    assert report.lines["find_by"] == "uid-list"
    assert report.lines["paging"] is True


def test_an_empty_archive_leaves_questions_open(tmp_path: Path) -> None:
    """Nothing to try with: what the site file says is kept."""
    with peers.dcmqrscp(tmp_path) as running:
        archive = dimse(running.port, running.ae_title).model_copy(update={"find_by": "accession-list"})
        report = probe(archive, UTC, TODAY)
    assert answers(report)["uid-list"] == "unknown"
    assert report.lines["find_by"] == "accession-list"


def test_an_archive_that_is_not_there() -> None:
    """By either protocol: said, and no lines to write."""
    port = free_port()
    nowhere = DicomWebArchive(kind="dicomweb", name="vna", url=f"http://{LOOPBACK}:{port}/dicom-web")
    for archive in (dimse(port, "PACS"), nowhere):
        report = probe(archive, UTC, TODAY)
        assert {check.answer for check in report.checks} == {"no"}
        assert report.lines == {}


def test_the_command(
    orthanc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`radflow probe ARCHIVE --json`: checks, settings and the lines to write; whether it answers."""
    site = '[[archives]]\nkind = "dimse"\nname = "{}"\nhost = "127.0.0.1"\nport = {}\nae_title = "ORTHANC"\n'
    lines = site.format("pacs", orthanc.dicom_port) + site.format("gone", free_port())
    (tmp_path / "main.toml").write_text(lines)
    monkeypatch.setenv("RADFLOW_SITES_DIR", str(tmp_path))
    settings.cache_clear()
    assert run_probe("pacs", "", as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert not run_probe("gone", "main", as_json=False)
    with pytest.raises(typer.BadParameter, match="no archive 'nobody'"):
        run_probe("nobody", "", as_json=False)
    settings.cache_clear()
    assert 'find_by = "uid-list"' in said["toml"].splitlines()
    assert said["settings"]["find_by"] == "uid-list"

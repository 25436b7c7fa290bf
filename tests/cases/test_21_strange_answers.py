"""Case 21: an archive that answers with an error half-way, with an empty answer once, or with duplicates."""

from collections.abc import Iterator

import pytest

from radflow.simulators.orthanc import Orthanc
from radflow.store import archives
from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital
from tests.cases.moody import MoodyArchive, moody_archive

Scene = tuple[Hospital, MoodyArchive]


@pytest.fixture
def scene(a_hospital: AHospital, orthanc: Orthanc) -> Iterator[Scene]:
    """Two orders whose images are there."""
    with moody_archive(orthanc) as archive:
        hospital = a_hospital(archives={"orthanc": {"port": archive.port}})
        hospital.send(hospital.order("P1"), hospital.order("P2"))
        for number in ("P1", "P2"):
            hospital.keep(hospital.study(hospital.item(number)))
        hospital.advance(minutes=1)
        yield hospital, archive


def states(hospital: Hospital) -> list[str]:
    return [hospital.state(number) for number in ("P1", "P2")]


def test_an_error_half_way(scene: Scene) -> None:
    """What came before it is not taken for all there is: the archive is asked again, and both are found."""
    hospital, archive = scene
    archive.mood = "half-way"
    hospital.sweep()
    assert states(hospital) == ["worklisted", "worklisted"]
    with hospital.store.read() as session:
        assert "C-FIND status 0xC001" in archives.look(session, "main", "orthanc").trouble
    archive.mood = "well"
    hospital.advance(minutes=1)
    hospital.sweep()
    assert states(hospital) == ["acquired", "acquired"]


def test_an_empty_answer_once(scene: Scene) -> None:
    """Not final: not for what is waited for, nor for what was published."""
    hospital, archive = scene
    archive.mood = "empty"
    hospital.sweep()
    archive.mood = "well"
    hospital.advance(minutes=1)
    hospital.sweep()
    assert states(hospital) == ["acquired", "acquired"]
    hospital.send(hospital.report("P1"))
    before = hospital.fhir("ImagingStudy")

    archive.mood = "empty"
    hospital.advance(minutes=61)
    hospital.sweep()
    archive.mood = "well"
    for _ in range(3):
        hospital.advance(minutes=1)
        hospital.sweep()
    assert hospital.fhir("ImagingStudy") == before
    assert "study-changed" not in hospital.events("P1")


def test_duplicates(scene: Scene) -> None:
    """Every study, series and instance twice: each is one."""
    hospital, archive = scene
    archive.mood = "twice"
    hospital.sweep()
    hospital.send(hospital.report("P1"))
    assert states(hospital) == ["published", "acquired"]
    (study,) = hospital.fhir("ImagingStudy")
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (2, 4)
    assert [len(series["instance"]) for series in study["series"]] == [2, 2]
    assert hospital.events("P1").count("study-found") == 1


def test_an_error_half_way_through_a_study(scene: Scene) -> None:
    """A study that cannot be described in full is not published in part: the order waits for its archive."""
    hospital, archive = scene
    hospital.sweep()
    archive.mood = "half-way"
    hospital.send(hospital.report("P1"))
    assert (hospital.state("P1"), hospital.fhir("ImagingStudy")) == ("reported", [])
    archive.mood = "well"
    hospital.advance(minutes=20)
    hospital.sweep()
    assert hospital.state("P1") == "published"
    (study,) = hospital.fhir("ImagingStudy")
    assert study["numberOfInstances"] == 4

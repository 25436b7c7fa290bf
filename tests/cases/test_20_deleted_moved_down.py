"""Case 20: a study deleted or moved; an archive that is down for a day."""

from radflow.simulators.orthanc import Orthanc
from radflow.store import archives
from tests.cases.archives import forget
from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital
from tests.cases.moody import moody_archive

MISSES = 3
"""So often in a row an archive has to show nothing."""


def recheck(hospital: Hospital, times: int = MISSES) -> None:
    """Studies that were found are looked at again once an hour, those that are missed at every sweep."""
    hospital.advance(minutes=61)
    for _ in range(times):
        hospital.sweep()
        hospital.advance(minutes=1)


def test_a_study_that_is_deleted(a_hospital: AHospital, orthanc: Orthanc) -> None:
    """Published anew as not available, and without an endpoint; when it is there again, as before."""
    hospital = a_hospital(archives={"orthanc-web": {}})
    hospital.send(hospital.order())
    images = hospital.image(archive="orthanc-web")
    hospital.send(hospital.report())
    (before,) = hospital.fhir("ImagingStudy")
    assert before["endpoint"]

    forget(orthanc, images[0].StudyInstanceUID)
    recheck(hospital, MISSES - 1)
    assert hospital.fhir("ImagingStudy") == [before]
    recheck(hospital, 1)
    assert (hospital.state(), hospital.events()[-2:]) == ("published", ["study-changed", "published"])
    (study,) = hospital.fhir("ImagingStudy")
    assert "endpoint" not in study
    assert len(hospital.results()) == 1

    hospital.keep(images, "orthanc-web")
    recheck(hospital)
    (again,) = hospital.fhir("ImagingStudy")
    assert again["endpoint"] == before["endpoint"]
    assert again["numberOfInstances"] == 4


def test_a_study_that_is_moved(a_hospital: AHospital, orthanc: Orthanc) -> None:
    """Gone from the first archive, shown by the second: the endpoint is that of where it is now."""
    hospital = a_hospital(archives={"orthanc-web": {}, "dcmqrscp": {}})
    hospital.send(hospital.order())
    images = hospital.image(archive="orthanc-web")
    hospital.send(hospital.report())
    hospital.keep(images, "dcmqrscp")
    forget(orthanc, images[0].StudyInstanceUID)
    recheck(hospital)
    assert hospital.events()[-2:] == ["study-changed", "published"]
    assert list(hospital.warehouse("studies")["archive"]) == ["dcmqrscp"]
    (study,) = hospital.fhir("ImagingStudy")
    assert "endpoint" not in study
    assert (study["numberOfInstances"], len(hospital.results())) == (4, 1)


def test_an_archive_that_is_down_for_a_day(a_hospital: AHospital, orthanc: Orthanc) -> None:
    """Orders wait, nothing is marked as failed, and it is not asked at every sweep; then all is found."""
    with moody_archive(orthanc) as archive:
        hospital = a_hospital(archives={"orthanc": {"port": archive.port}})
        hospital.publish("P1")
        hospital.send(hospital.order("P2"), hospital.order("P3"))
        items = [hospital.item(number) for number in ("P2", "P3")]
        archive.down()
        for item in items:
            hospital.keep(hospital.study(item))
        hospital.send(hospital.report("P2"))
        for _ in range(24 * 4):
            hospital.advance(minutes=15)
            hospital.sweep()
        with hospital.store.read() as session:
            state = archives.look(session, "main", "orthanc")
        assert 24 < state.failures <= 24 * 4
        states = [hospital.state(number) for number in ("P1", "P2", "P3")]
        assert states == ["published", "reported-without-images", "worklisted"]
        assert [hospital.row(number).trouble for number in ("P1", "P2", "P3")] == [""] * 3
        assert len(hospital.fhir("ImagingStudy")) == 1

        archive.up()
        hospital.advance(minutes=15)
        assert {hospital.key("P2"), hospital.key("P3")} <= hospital.sweep()
        assert [hospital.state(number) for number in ("P2", "P3")] == ["published", "acquired"]
        assert hospital.events("P1").count("study-changed") == 0


def test_an_archive_that_goes_down_before_publishing(a_hospital: AHospital, orthanc: Orthanc) -> None:
    """The images are known, the archive cannot describe them: the order waits for it, and then goes on."""
    with moody_archive(orthanc) as archive:
        hospital = a_hospital(archives={"orthanc": {"port": archive.port}})
        hospital.send(hospital.order())
        hospital.image()
        archive.down()
        hospital.send(hospital.report())
        assert (hospital.state(), hospital.row().trouble, hospital.results()) == ("reported", "", [])
        archive.up()
        hospital.advance(minutes=20)
        hospital.sweep()
        assert hospital.state() == "published"
        (study,) = hospital.fhir("ImagingStudy")
        assert study["numberOfInstances"] == 4

"""Case 16: complete only when MPPS says so, or the counts stay the same for the site's quiet time."""

import pytest

from tests.cases.conftest import AHospital

QUIET = {"quiet_minutes": 10}


@pytest.mark.parametrize("archive", ["orthanc", "orthanc-web", "dcmqrscp"])
def test_the_counts_stay_the_same_for_the_quiet_time(a_hospital: AHospital, archive: str) -> None:
    """Also where the archive tells no counts: radflow counts what is arriving by itself."""
    hospital = a_hospital(archives={archive: {}}, finding=QUIET)
    hospital.send(hospital.order())
    images = hospital.study(hospital.item())
    hospital.keep(images[:2], archive)
    hospital.sweep()
    hospital.advance(minutes=8)
    hospital.keep(images[2:], archive)
    hospital.sweep()
    hospital.advance(minutes=8)
    hospital.sweep()
    assert hospital.state() == "worklisted"
    assert hospital.items() != []
    hospital.advance(minutes=2)
    hospital.sweep()
    (found,) = (line for line in hospital.log() if line.event == "study-found")
    assert found.detail == {"series": 2, "instances": 4}
    assert (hospital.state(), hospital.items()) == ("acquired", [])


def test_a_report_that_comes_meanwhile_waits_for_the_images(a_hospital: AHospital) -> None:
    """It is published with all of them, once."""
    hospital = a_hospital(finding=QUIET)
    hospital.send(hospital.order())
    images = hospital.study(hospital.item())
    hospital.keep(images[:1])
    hospital.sweep()
    hospital.send(hospital.report())
    assert hospital.state() == "reported-without-images"
    assert hospital.results() == []
    hospital.keep(images[1:])
    hospital.sweep()
    hospital.advance(minutes=10)
    hospital.sweep()
    assert hospital.state() == "published"
    (study,) = hospital.fhir("ImagingStudy")
    assert study["numberOfInstances"] == 4
    assert len(hospital.results()) == 1


def test_mpps_says_so(a_hospital: AHospital) -> None:
    """However long nothing arrives: the modality has not ended."""
    hospital = a_hospital(finding={"complete_by": "mpps"})
    hospital.send(hospital.order())
    item = hospital.item()
    step, images = hospital.begin(item), hospital.study(item)
    hospital.keep(images[:2])
    for _ in range(3):
        hospital.advance(hours=1)
        hospital.sweep()
    assert hospital.state() == "started"
    hospital.keep(images[2:])
    hospital.end(step, images)
    assert hospital.state() == "acquired"


def test_mpps_never_comes(a_hospital: AHospital) -> None:
    """With a quiet time beside it, the study is taken after that."""
    hospital = a_hospital(finding={"complete_by": "mpps", "quiet_minutes": 30})
    hospital.send(hospital.order())
    hospital.keep(hospital.study(hospital.item()))
    hospital.sweep()
    hospital.advance(minutes=29)
    hospital.sweep()
    assert hospital.state() == "worklisted"
    hospital.advance(minutes=1)
    hospital.sweep()
    assert hospital.state() == "acquired"

"""Case 17: more series after completion: ImagingStudy and counts are brought up to date."""

from collections.abc import Sequence

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid

from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital

SERIES, INSTANCES = "numberOfSeries", "numberOfInstances"


def another_series(images: Sequence[Dataset]) -> list[Dataset]:
    """One image more, in a series of its own."""
    image = images[0].copy()
    image.SeriesInstanceUID, image.SOPInstanceUID = generate_uid(), generate_uid()
    image.SeriesNumber = 9
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    return [image]


def recheck(hospital: Hospital) -> None:
    """Studies that were found are looked at again once an hour."""
    hospital.advance(minutes=61)
    hospital.sweep()


@pytest.mark.parametrize("archive", ["orthanc", "orthanc-web", "dcmqrscp"])
def test_after_publishing(a_hospital: AHospital, archive: str) -> None:
    """Published anew with all images; the EHR, whose report is the same, hears nothing."""
    hospital = a_hospital(archives={archive: {}})
    hospital.send(hospital.order())
    images = hospital.image(archive=archive)
    hospital.send(hospital.report())
    (before,) = hospital.fhir("ImagingStudy")
    recheck(hospital)
    assert hospital.fhir("ImagingStudy") == [before]

    hospital.keep(another_series(images), archive)
    recheck(hospital)
    assert hospital.state() == "published"
    assert hospital.events()[-2:] == ["study-changed", "published"]
    (study,) = hospital.fhir("ImagingStudy")
    assert (study["id"], study[SERIES], study[INSTANCES]) == (before["id"], 3, 5)
    assert 9 in {series["number"] for series in study["series"]}
    assert len(hospital.results()) == 1
    (row,) = hospital.warehouse("studies").to_dict("records")
    assert (row["series"], row["instances"]) == (3, 5)


def test_before_the_report(hospital: Hospital) -> None:
    """The report is published with all there is by then."""
    hospital.send(hospital.order())
    hospital.keep(another_series(hospital.image()))
    recheck(hospital)
    assert hospital.events()[-1] == "study-changed"
    hospital.send(hospital.report())
    (study,) = hospital.fhir("ImagingStudy")
    assert (study[SERIES], study[INSTANCES]) == (3, 5)


def test_while_more_is_arriving(a_hospital: AHospital) -> None:
    """What is published is changed once, when the counts have been the same for the quiet time."""
    hospital = a_hospital(finding={"quiet_minutes": 5})
    hospital.send(hospital.order())
    images = hospital.study(hospital.item())
    hospital.keep(images)
    hospital.sweep()
    hospital.advance(minutes=5)
    hospital.sweep()
    hospital.send(hospital.report())
    hospital.keep(another_series(images))
    recheck(hospital)
    hospital.advance(minutes=3)
    hospital.keep(another_series(images))
    hospital.sweep()
    assert (hospital.state(), hospital.events().count("study-changed")) == ("published", 0)
    hospital.advance(minutes=5)
    hospital.sweep()
    assert hospital.events().count("study-changed") == 1
    (study,) = hospital.fhir("ImagingStudy")
    assert (study[SERIES], study[INSTANCES]) == (4, 6)

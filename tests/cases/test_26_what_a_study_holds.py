"""Case 26: key images and SR in ImagingStudy; a series without number, description or body site."""

from typing import Any

from pydicom import Dataset

from tests.builders_sr import key_object, text_report
from tests.cases.conftest import AHospital
from tests.cases.hospital import Hospital


def found_with(hospital: Hospital, *documents: Dataset, images: list[Dataset]) -> dict[str, Any]:
    """Have these images and documents kept and found, and reported; the ImagingStudy."""
    for document in documents:
        for keyword in ("PatientID", "PatientName", "AccessionNumber", "StudyID"):
            setattr(document, keyword, images[0].get(keyword, ""))
    hospital.keep([*images, *documents], "orthanc-web")
    hospital.advance(minutes=1)
    hospital.sweep()
    hospital.send(hospital.report())
    assert hospital.state() == "published"
    (study,) = hospital.fhir("ImagingStudy")
    return study


def titles(study: dict[str, Any]) -> dict[str, str]:
    """Title of each instance that has one, by its UID."""
    instances = [one for series in study["series"] for one in series["instance"]]
    return {one["uid"]: one["title"] for one in instances if "title" in one}


def selecting(image: Dataset) -> Dataset:
    """A key object selection of this image."""
    document = key_object(str(image.StudyInstanceUID))
    reference = document.ContentSequence[1].ReferencedSOPSequence[0]
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = (
        image.SOPClassUID,
        image.SOPInstanceUID,
    )
    return document


def test_key_images_and_documents(a_hospital: AHospital) -> None:
    """Each SR and selection is an instance with its title; the image that was selected is a key image."""
    hospital = a_hospital(archives={"orthanc-web": {}})
    hospital.send(hospital.order())
    images = hospital.study(hospital.item())
    selection, words = selecting(images[1]), text_report(str(images[0].StudyInstanceUID))
    study = found_with(hospital, selection, words, images=images)
    assert titles(study) == {
        images[1].SOPInstanceUID: "Key image: For Teaching",
        selection.SOPInstanceUID: "For Teaching",
        words.SOPInstanceUID: "Diagnostic Imaging Report",
    }
    assert {one["code"] for one in study["modality"]} == {"CT", "KO", "SR"}
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (4, len(images) + 2)
    classes = {one["uid"]: one["sopClass"]["code"] for each in study["series"] for one in each["instance"]}
    assert classes[selection.SOPInstanceUID] == f"urn:oid:{selection.SOPClassUID}"


def test_a_series_that_says_nothing(a_hospital: AHospital) -> None:
    """Without number, description or body part it is listed all the same, and nothing is made up for it."""
    hospital = a_hospital(archives={"orthanc-web": {}})
    hospital.send(hospital.order())
    images = hospital.study(hospital.item())
    (silent,) = {str(one.SeriesInstanceUID) for one in images[-1:]}
    for image in images:
        image.BodyPartExamined = "CHEST"
        if image.SeriesInstanceUID == silent:
            for keyword in ("SeriesNumber", "SeriesDescription", "BodyPartExamined"):
                if keyword in image:
                    delattr(image, keyword)
    study = found_with(hospital, images=images)
    by_uid = {series["uid"]: series for series in study["series"]}
    assert set(by_uid) == {str(one.SeriesInstanceUID) for one in images}
    assert not {"number", "description", "bodySite"} & set(by_uid.pop(silent))
    (other,) = by_uid.values()
    assert other["bodySite"]["code"] == "816094009"
    assert hospital.warehouse("series").shape[0] == 2

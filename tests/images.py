"""Small studies for tests that move many: one series each, a few instances of a few hundred bytes."""

from io import BytesIO
from pathlib import Path

from pydicom import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from radflow.settings import LOOPBACK
from tests import peers


def study_uid(number: int) -> str:
    """Study Instance UID of the study of this number."""
    return str(generate_uid(entropy_srcs=["study", str(number)]))


def instance_uid(number: int, instance: int) -> str:
    """SOP Instance UID of one of its instances."""
    return str(generate_uid(entropy_srcs=["study", str(number), "instance", str(instance)]))


def small_study(number: int, instances: int = 2, patient: str = "", **more: str) -> list[Dataset]:
    """A CT study: 8 by 8 pixels an instance."""
    return [_image(number, one, patient or f"PAT{number}", more) for one in range(instances)]


def as_file(image: Dataset) -> bytes:
    """The DICOM file of an instance."""
    file = BytesIO()
    image.save_as(file, enforce_file_format=True)
    return file.getvalue()


def stored(images: list[Dataset], folder: Path, port: int, ae_title: str) -> None:
    """Send them to an archive by dcmtk's storescu."""
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        (folder / f"{number}.dcm").write_bytes(as_file(image))
    peers.run(
        peers.dcmtk("storescu"),
        "-aec",
        ae_title,
        "+sd",
        "+r",
        "-R",
        LOOPBACK,
        port,
        folder,
    )


def _image(number: int, instance: int, patient: str, more: dict[str, str]) -> Dataset:
    image = Dataset()
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = instance_uid(number, instance)
    image.StudyInstanceUID = study_uid(number)
    image.SeriesInstanceUID = f"{study_uid(number)[:60]}.1"
    image.PatientID, image.PatientName = patient, "Test^Move"
    image.StudyID = image.AccessionNumber = f"A{number}"
    image.StudyDate, image.StudyTime, image.Modality = "20261124", "101112", "CT"
    image.SeriesNumber, image.InstanceNumber = 1, instance + 1
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows = image.Columns = 8
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    image.PixelData = bytes([number % 256, instance % 256]) * 64
    image["PixelData"].VR = "OW"
    for keyword, value in more.items():
        setattr(image, keyword, value)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = UID(image.SOPClassUID)
    image.file_meta.MediaStorageSOPInstanceUID = UID(image.SOPInstanceUID)
    return image

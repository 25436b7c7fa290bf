"""A modality for the demo and for tests: asks the worklist, acquires a small study, stores it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    generate_uid,
)
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import ModalityWorklistInformationFind  # type: ignore[attr-defined]

from radflow.clock import utc_now
from radflow.connectors.dicom import keep_patients_out_of_the_log, send_at_once
from radflow.connectors.reactor_gate import release

SERIES, INSTANCES = 2, 2
"""Series in a study, instances in a series."""
SIDE = 64
"""Rows and columns of an image."""

_KINDS: dict[str, tuple[UID, int]] = {
    "CT": (CTImageStorage, 16),
    "MR": (MRImageStorage, 16),
    "CR": (ComputedRadiographyImageStorage, 16),
    "US": (UltrasoundImageStorage, 8),
}
"""Modality → SOP class and bits a pixel. Every other modality makes secondary captures of 8 bits."""

_RETURN_KEYS = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "AccessionNumber",
    "ReferringPhysicianName", "StudyInstanceUID", "RequestedProcedureID", "RequestedProcedureDescription",
    "RequestedProcedurePriority", "RequestedProcedureCodeSequence", "PlacerOrderNumberImagingServiceRequest",
)  # fmt: skip
_COPIED = _RETURN_KEYS[:8]
"""What a modality copies from the worklist into each image as it is (IHE RAD TF-2 appendix A)."""


class ModalityError(RuntimeError):
    """The worklist or the archive did not take what the modality sent."""


def ask_worklist(
    host: str,
    port: int,
    ae_title: str = "RADFLOW",
    *,
    calling_ae_title: str = "MODALITY",
    day: date | None = None,
    modality: str = "",
    accession_number: str = "",
) -> list[Dataset]:
    """The scheduled steps of a day (any day when None), each with all that is known of it.

    Raises:
        ModalityError: the worklist does not answer.
    """
    query = worklist_query(day, modality, accession_number)
    found = []
    with connected(host, port, ae_title, calling_ae_title, [ModalityWorklistInformationFind]) as association:
        for status, item in association.send_c_find(query, ModalityWorklistInformationFind):
            if status.get("Status") in (0xFF00, 0xFF01) and item is not None:
                found.append(item)
            elif status.get("Status") != 0x0000:
                raise ModalityError(f"worklist: C-FIND status {status.get('Status')}")
    return found


def worklist_query(day: date | None = None, modality: str = "", accession_number: str = "") -> Dataset:
    """What a modality asks for: these steps, each with all that is known of it."""
    query = Dataset()
    for keyword in _RETURN_KEYS:
        setattr(query, keyword, [] if keyword.endswith("Sequence") else None)
    query.AccessionNumber = accession_number
    step = Dataset()
    step.Modality = modality
    step.ScheduledProcedureStepStartDate = f"{day:%Y%m%d}" if day else ""
    for keyword in ("ScheduledStationAETitle", "ScheduledProcedureStepStartTime", "ScheduledProcedureStepID",
                    "ScheduledProcedureStepDescription", "ScheduledProcedureStepStatus",
                    "ScheduledProcedureStepLocation", "ScheduledPerformingPhysicianName"):  # fmt: skip
        setattr(step, keyword, None)
    query.ScheduledProcedureStepSequence = [step]
    return query


def acquire(item: Dataset, host: str, port: int, ae_title: str = "ARCHIVE") -> None:
    """Make the study of a worklist item now, and send it to an archive.

    Raises:
        ModalityError: the archive does not take it.
    """
    store_study(make_study(item, utc_now()), host, port, ae_title)


def make_study(item: Dataset, acquired: datetime) -> list[Dataset]:
    """The study of a worklist item, acquired at this local time: the same item gives the same UIDs."""
    return [
        _image(item, acquired, series, number)
        for series in range(1, SERIES + 1)
        for number in range(1, INSTANCES + 1)
    ]


def store_study(
    images: Sequence[Dataset],
    host: str,
    port: int,
    ae_title: str = "ARCHIVE",
    *,
    calling_ae_title: str = "MODALITY",
) -> None:
    """Send the images to an archive.

    Raises:
        ModalityError: it does not take them all.
    """
    sop_classes = sorted({UID(image.SOPClassUID) for image in images})
    with connected(host, port, ae_title, calling_ae_title, sop_classes) as association:
        for image in images:
            status = association.send_c_store(image)
            if status.get("Status") != 0x0000:
                raise ModalityError(f"archive: C-STORE status {status.get('Status')}")


@contextmanager
def connected(
    host: str, port: int, ae_title: str, calling_ae_title: str, sop_classes: Sequence[str]
) -> Iterator[Association]:
    """An association with radflow or an archive, released at the end.

    Raises:
        ModalityError: there is none to be had.
    """
    keep_patients_out_of_the_log()
    ae = AE(calling_ae_title)
    for sop_class in sop_classes:
        ae.add_requested_context(sop_class, ExplicitVRLittleEndian)
    association = ae.associate(
        host, port, ae_title=ae_title, evt_handlers=[(evt.EVT_CONN_OPEN, send_at_once)]
    )
    if not association.is_established:
        raise ModalityError(f"no association with {ae_title} at {host}:{port}")
    try:
        yield association
    finally:
        release(association)


def _image(item: Dataset, acquired: datetime, series: int, number: int) -> Dataset:
    step = item.ScheduledProcedureStepSequence[0]
    image = Dataset()
    image.SpecificCharacterSet = item.get("SpecificCharacterSet") or "ISO_IR 100"
    for keyword in _COPIED:
        setattr(image, keyword, item.get(keyword))
    image.StudyID = item.RequestedProcedureID
    image.StudyDescription = item.RequestedProcedureDescription
    image.ProcedureCodeSequence = item.RequestedProcedureCodeSequence
    image.StudyDate = image.SeriesDate = image.ContentDate = f"{acquired:%Y%m%d}"
    image.StudyTime = image.SeriesTime = image.ContentTime = f"{acquired:%H%M%S}"
    image.Modality = step.Modality or "OT"
    image.Manufacturer = "radflow simulator"
    image.SeriesInstanceUID = _uid(item, series)
    image.SeriesNumber = series
    image.SeriesDescription = f"Series {series}"
    image.RequestAttributesSequence = [_request_attributes(item, step)]
    image.InstanceNumber = number
    image.SOPInstanceUID = _uid(item, series, number)
    _pixels(image, number)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    return image


def _request_attributes(item: Dataset, step: Dataset) -> Dataset:
    """What ties the series to its order: Request Attributes Sequence (0040,0275)."""
    attributes = Dataset()
    attributes.RequestedProcedureID = item.RequestedProcedureID
    attributes.ScheduledProcedureStepID = step.ScheduledProcedureStepID
    attributes.ScheduledProcedureStepDescription = step.ScheduledProcedureStepDescription
    return attributes


def _pixels(image: Dataset, number: int) -> None:
    image.SOPClassUID, bits = _KINDS.get(image.Modality, (SecondaryCaptureImageStorage, 8))
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.Rows = image.Columns = SIDE
    image.BitsAllocated = image.BitsStored = bits
    image.HighBit = bits - 1
    image.PixelRepresentation = 0
    gradient = (bytes([(row * number + column) % 256]) for row in range(SIDE) for column in range(SIDE))
    image.PixelData = b"".join(pixel.ljust(bits // 8, b"\0") for pixel in gradient)
    image["PixelData"].VR = "OB" if bits == 8 else "OW"


def _uid(item: Dataset, *numbers: int) -> UID:
    step_id = item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID
    return generate_uid(entropy_srcs=[str(item.StudyInstanceUID), str(step_id), *map(str, numbers)])

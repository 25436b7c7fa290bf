"""A worklist item as a `.wl` file (PS3.10 §7), which wlmscpfs and Orthanc's plug-in answer from."""

from io import BytesIO

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

_MODALITY_WORKLIST_FIND = UID("1.2.840.10008.5.1.4.31")
"""Modality Worklist Information Model – FIND: there is no storage class for what is found."""


def wl_file(item: Dataset, name: str) -> bytes:
    """The file of an item, without its empty sequences: wlmscpfs passes over a file that has one.

    Args:
        name: whatever names the item; the same name has the same instance UID.
    """
    file = _without_empty_sequences(item)
    file.file_meta = FileMetaDataset()
    file.file_meta.MediaStorageSOPClassUID = _MODALITY_WORKLIST_FIND
    file.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[name])
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _without_empty_sequences(dataset: Dataset) -> Dataset:
    kept = Dataset()
    for element in dataset:
        if element.VR != "SQ":
            kept.add(element)
        elif element.value:
            kept.add_new(element.tag, "SQ", [_without_empty_sequences(item) for item in element.value])
    return kept

"""One instance fetched alone, in a bounded size: what C-GET and WADO-RS have in common."""

from io import BytesIO

from pydicom import Dataset, dcmread

from radflow.connectors.errors import Refused

LARGEST_INSTANCE = 32 * 1024 * 1024
"""Bytes. A document of 10,000 measurements takes 3.5 MB; pixels are not fetched."""


class NotRetrievable(Refused):
    """The archive does not hand out the instance, or what it hands out cannot be taken."""


def too_large(archive: str, largest: int) -> NotRetrievable:
    """Why an instance was not taken to its end."""
    return NotRetrievable(f"archive {archive}: the instance is larger than {largest} bytes")


def decode_instance(archive: str, part10: bytes) -> Dataset:
    """A DICOM file (PS3.10) → its dataset, which is decoded as it is read.

    Raises:
        NotRetrievable: it is no DICOM file.
    """
    try:
        return dcmread(BytesIO(part10))
    except Exception as error:
        # pydicom raises many kinds; their texts may quote values.
        reason = f"archive {archive}: the instance is no readable DICOM file ({type(error).__name__})"
        raise NotRetrievable(reason) from error

"""The archives of a site."""

from typing import Annotated, Literal

from pydantic import Field

from radflow.settings.base import Section


class DimseArchive(Section):
    """An archive that is asked by C-FIND."""

    kind: Literal["dimse"]
    name: str
    host: str
    port: int
    ae_title: str
    calling_ae_title: str = "RADFLOW"
    find_by: Literal["uid-list", "accession-list", "date-range"] = "uid-list"
    timeout_seconds: float = 60


class DicomWebArchive(Section):
    """An archive that is asked by QIDO-RS (PS3.18 §10.6)."""

    kind: Literal["dicomweb"]
    name: str
    url: str
    """The DICOMweb root, e.g. `https://archive.example/dicom-web`."""
    find_by: Literal["uid-list", "date-range"] = "date-range"
    timeout_seconds: float = 60


Archive = Annotated[DimseArchive | DicomWebArchive, Field(discriminator="kind")]

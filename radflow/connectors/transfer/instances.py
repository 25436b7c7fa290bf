"""What is copied, and what becomes of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import UID

from radflow.model import Study


@dataclass(frozen=True)
class Listed:
    """An instance as the source lists it."""

    study: str
    series: str
    instance: str
    """SOP Instance UID."""
    sop_class: str = ""
    """Empty where the source does not tell it."""


@dataclass(frozen=True)
class Fetched:
    """An instance on its way, as a DICOM file (PS3.10)."""

    instance: str
    sop_class: str
    transfer_syntax: UID
    file: Path

    @classmethod
    def from_file(cls, file: Path) -> "Fetched":
        """Read from the file's meta information, not from the pixels.

        Raises:
            Exception: whatever pydicom raises for a file that is no DICOM.
        """
        meta = dcmread(file, specific_tags=[]).file_meta
        return cls(
            str(meta.MediaStorageSOPInstanceUID), str(meta.MediaStorageSOPClassUID),
            UID(meta.TransferSyntaxUID), file,
        )  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of one instance."""

    instance: str
    reason: str = ""
    """Why it was not taken, free of patient data; empty when it was."""
    later: bool = False
    """Another try may fare better."""


def listed(study: Study) -> list[Listed]:
    """Every instance of a study that an archive has described."""
    return [
        Listed(study.study_instance_uid, series.series_instance_uid, one.sop_instance_uid, one.sop_class_uid)
        for series in study.series
        for one in series.instances
    ]


def by_series(wanted: Iterable[Listed]) -> Iterator[tuple[str, list[Listed]]]:
    """Series Instance UID and its instances: a retrieval names one series (PS3.4 §C.4.3.1.3)."""
    for series, members in groupby(sorted(wanted, key=lambda one: one.series), key=lambda one: one.series):
        yield series, list(members)


def missing(wanted: Iterable[Listed], fetched: Iterable[Fetched]) -> list[Listed]:
    """Those that did not come."""
    came = {one.instance for one in fetched}
    return [one for one in wanted if one.instance not in came]

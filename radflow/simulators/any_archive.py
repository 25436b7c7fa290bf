"""The archive of a simulated hospital: Orthanc, where it is installed, or else a small one of our own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from radflow.simulators.archive import SimulatedArchive
from radflow.simulators.orthanc import find_orthanc, running_orthanc


@dataclass(frozen=True)
class AnArchive:
    """Where it takes images and answers C-FIND, on the loopback address."""

    port: int
    ae_title: str
    is_orthanc: bool

    @property
    def what_it_is(self) -> str:
        """For people."""
        return "Orthanc" if self.is_orthanc else "a small archive of radflow's own"


@contextmanager
def any_archive(folder: Path) -> Iterator[AnArchive]:
    """One that runs until the end, with its images in the folder."""
    if find_orthanc():
        with running_orthanc(folder) as orthanc:
            yield AnArchive(orthanc.dicom_port, orthanc.ae_title, is_orthanc=True)
    else:
        with SimulatedArchive(folder) as simulated:
            yield AnArchive(simulated.port, simulated.ae_title, is_orthanc=False)

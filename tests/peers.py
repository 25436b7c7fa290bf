"""Real peers, where they are installed: Orthanc and dcmtk. A test that lacks one is skipped, saying so."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from radflow.settings import LOOPBACK
from radflow.simulators.orthanc import Orthanc, find_orthanc, running_orthanc
from radflow.simulators.ports import free_port

SAMPLES = Path(__file__).parent.parent.parent / "shared" / "samples"
"""Other people's messages and answers; they live beside the project."""


@dataclass(frozen=True)
class DcmqrScp:
    """dcmtk's archive, which is as much as a legacy PACS can do."""

    port: int
    ae_title: str = "DCMQRSCP"


@contextmanager
def orthanc(folder: Path, options: Mapping[str, object] | None = None) -> Iterator[Orthanc]:
    """A real Orthanc with its DICOMweb plug-in, with these options beside its own."""
    if find_orthanc() is None:
        pytest.skip("Orthanc is not installed (apt install orthanc orthanc-dicomweb)")
    with running_orthanc(folder, options) as running:
        yield running


@contextmanager
def dcmqrscp(folder: Path, knows: Mapping[str, int] | None = None, studies: int = 200) -> Iterator[DcmqrScp]:
    """dcmtk's archive, which sends by C-MOVE to the AE titles that it knows (title → port)."""
    program = dcmtk("dcmqrscp")
    archive = DcmqrScp(free_port())
    storage = folder / "storage"
    storage.mkdir(parents=True)
    hosts = "".join(f"{title} = ({title}, {LOOPBACK}, {port})\n" for title, port in (knows or {}).items())
    configuration = folder / "dcmqrscp.cfg"
    configuration.write_text(
        f"NetworkTCPPort = {archive.port}\n"
        "MaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\n{hosts}HostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\n{archive.ae_title} {storage} RW ({studies}, 1024mb) ANY\nAETable END\n"
    )
    with started([program, "-c", configuration], archive.port, folder / "log"):
        yield archive


@contextmanager
def wlmscpfs(folder: Path) -> Iterator[int]:
    """dcmtk's worklist of these folders of `.wl` files, one for each AE title that is called; its port."""
    port = free_port()
    with started([dcmtk("wlmscpfs"), "-dfp", folder, "-csk", port], port, folder / "log"):
        yield port


@contextmanager
def started(command: Sequence[object], port: int, log_file: Path) -> Iterator[None]:
    """A peer that listens on this port, until the end."""
    with log_file.open("wb") as log:
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log)
    try:
        _wait_for(port, process)
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def dcmtk(program: str) -> Path:
    """A program of dcmtk. Not by PATH: pynetdicom puts a findscu of its own into the venv."""
    found = shutil.which(program, path="/usr/bin:/usr/local/bin")
    if found is None:
        pytest.skip(f"dcmtk's {program} is not installed (apt install dcmtk)")
    return Path(found)


def findscu(port: int, query: Path, folder: Path, *, ae_title: str = "RADFLOW") -> list[Dataset]:
    """The answers that dcmtk's findscu gets from a worklist."""
    folder.mkdir(parents=True, exist_ok=True)
    run(dcmtk("findscu"), "-W", "-X", "-od", folder, "-aec", ae_title, LOOPBACK, port, query)
    return [dcmread(file) for file in sorted(folder.glob("rsp*.dcm"))]


def echoscu(port: int) -> None:
    """A C-ECHO by dcmtk."""
    run(dcmtk("echoscu"), LOOPBACK, port)


def from_dump(dump: Path, file: Path) -> Path:
    """A DICOM file made of dcmdump's text."""
    run(dcmtk("dump2dcm"), dump, file)
    return file


def run(*command: object) -> str:
    """Run a peer's program to its end; its output."""
    arguments: Sequence[str] = [str(part) for part in command]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def exit_status(*command: object) -> int:
    """Run a peer's program to its end, however it ends."""
    arguments: Sequence[str] = [str(part) for part in command]
    return subprocess.run(arguments, capture_output=True, timeout=60, check=False).returncode


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < give_up:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the peer does not start")

"""A real Orthanc as the archive, with free ports and a folder of its own, where it is installed."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from radflow.settings import LOOPBACK
from radflow.simulators.ports import free_port

AE_TITLE = "ORTHANC"
_STARTS_WITHIN = 30
"""Seconds."""


class OrthancError(RuntimeError):
    """Orthanc is not installed, or does not start."""


@dataclass(frozen=True)
class Orthanc:
    """An Orthanc that runs. Version 1.10 binds to all addresses, but refuses HTTP from elsewhere."""

    process: subprocess.Popen[bytes]
    dicom_port: int
    http_port: int
    ae_title: str = AE_TITLE

    @property
    def http_url(self) -> str:
        return f"http://{LOOPBACK}:{self.http_port}"

    @property
    def dicomweb_url(self) -> str:
        return f"{self.http_url}/dicom-web"

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def find_orthanc() -> Path | None:
    """The program, where it is installed (`apt install orthanc orthanc-dicomweb`)."""
    # Debian puts it into /usr/sbin, which is not on every user's PATH.
    found = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


def find_dicomweb_plugin() -> Path | None:
    """Orthanc's DICOMweb plug-in."""
    folders = (
        Path("/usr/share/orthanc/plugins"),
        *Path("/usr/lib").glob("**/orthanc"),
        Path("/usr/local/lib"),
    )
    found = (file for folder in folders for file in sorted(folder.glob("libOrthancDicomWeb.so*")))
    return next(found, None)


def start_orthanc(
    folder: Path, *, dicom_port: int = 0, http_port: int = 0, options: Mapping[str, object] | None = None
) -> Orthanc:
    """Start an Orthanc that keeps everything in `folder`; it answers when this returns.

    `options` are of its configuration, and go before those given here.

    Raises:
        OrthancError: it is not installed, or does not start.
    """
    program = find_orthanc()
    if program is None:
        raise OrthancError("Orthanc is not installed (apt install orthanc orthanc-dicomweb)")
    folder.mkdir(parents=True, exist_ok=True)
    dicom_port, http_port = dicom_port or free_port(), http_port or free_port()
    plugin = find_dicomweb_plugin()
    configuration = {
        "Name": "radflow",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "DicomAet": AE_TITLE,
        "DicomPort": dicom_port,
        # In Latin 1, its default, it would leave out of a C-FIND answer what is not in it.
        "DefaultEncoding": "Utf8",
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(plugin)] if plugin else [],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        **(options or {}),
    }
    configuration_file = folder / "orthanc.json"
    configuration_file.write_text(json.dumps(configuration))
    log_file = folder / "orthanc.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen([program, configuration_file], stdout=log, stderr=subprocess.STDOUT)
    orthanc = Orthanc(process, dicom_port, http_port)
    _wait_for(orthanc, log_file)
    return orthanc


@contextmanager
def running_orthanc(folder: Path, options: Mapping[str, object] | None = None) -> Iterator[Orthanc]:
    """An Orthanc that is stopped at the end; see `start_orthanc`."""
    orthanc = start_orthanc(folder, options=options)
    try:
        yield orthanc
    finally:
        orthanc.stop()


def _wait_for(orthanc: Orthanc, log_file: Path) -> None:
    give_up = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < give_up and orthanc.process.poll() is None:
        try:
            httpx.get(f"{orthanc.http_url}/system", timeout=5).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    orthanc.stop()
    raise OrthancError(f"Orthanc does not start: see {log_file}")

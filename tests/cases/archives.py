"""The archives of a case, all of them real: Orthanc by C-FIND and by QIDO-RS, and dcmtk's dcmqrscp."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from pydicom import Dataset

from radflow.settings import LOOPBACK
from radflow.simulators.modality import store_study
from radflow.simulators.orthanc import Orthanc
from tests.images import as_file
from tests.peers import DcmqrScp

_BOUNDARY = "radflow-images"


@dataclass(frozen=True)
class Archive:
    """An archive, as the site file names it and as modalities store to it."""

    settings: dict[str, Any]
    """Its table in the site file."""
    store: Callable[[Sequence[Dataset]], None]
    """Keep these images."""


def by_c_find(orthanc: Orthanc) -> Archive:
    """Orthanc, asked by C-FIND, stored to by C-STORE."""
    return _dimse("orthanc", orthanc.dicom_port, orthanc.ae_title)


def by_qido_rs(orthanc: Orthanc) -> Archive:
    """The same Orthanc, asked by QIDO-RS, stored to by STOW-RS."""
    settings = {"kind": "dicomweb", "name": "orthanc-web", "url": orthanc.dicomweb_url}
    return Archive(settings, lambda images: stow(orthanc.dicomweb_url, images))


def legacy(dcmqrscp: DcmqrScp) -> Archive:
    """dcmqrscp, which tells no counts."""
    return _dimse("dcmqrscp", dcmqrscp.port, dcmqrscp.ae_title, counts=False)


def stow(url: str, images: Sequence[Dataset]) -> None:
    """Store by STOW-RS (PS3.18 §10.5)."""
    part = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(part + as_file(image) + b"\r\n" for image in images) + f"--{_BOUNDARY}--\r\n".encode()
    kind = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
    headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
    httpx.post(f"{url}/studies", content=body, headers=headers, timeout=60).raise_for_status()


def forget_all(orthanc: Orthanc) -> None:
    """Delete every study: the next case begins with an empty archive."""
    with httpx.Client(base_url=orthanc.http_url) as client:
        for study in client.get("/studies").raise_for_status().json():
            client.delete(f"/studies/{study}").raise_for_status()


def forget(orthanc: Orthanc, study_uid: str) -> None:
    """Delete one study."""
    with httpx.Client(base_url=orthanc.http_url) as client:
        for study in client.post("/tools/lookup", content=study_uid).raise_for_status().json():
            client.delete(f"/studies/{study['ID']}").raise_for_status()


def _dimse(name: str, port: int, ae_title: str, **more: Any) -> Archive:
    settings: Mapping[str, Any] = {
        "kind": "dimse", "name": name, "host": LOOPBACK, "port": port, "ae_title": ae_title, **more,
    }  # fmt: skip
    return Archive(dict(settings), lambda images: store_study(images, LOOPBACK, port, ae_title))

"""The two ends of a move, opened as the site's archives say: where instances come from, and where they go."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from radflow.connectors.errors import Refused
from radflow.connectors.transfer.cget import CGetSource
from radflow.connectors.transfer.cmove import CMoveSource, Receiver
from radflow.connectors.transfer.cstore import CStoreTarget
from radflow.connectors.transfer.instances import Fetched, Listed, Outcome
from radflow.connectors.transfer.stow import StowTarget
from radflow.connectors.transfer.wado import WadoSource
from radflow.settings import DicomWebArchive, DimseArchive
from radflow.settings.routing import Routing


class Source(Protocol):
    """Where instances come from."""

    def fetch(self, wanted: Sequence[Listed], folder: Path) -> tuple[list[Fetched], list[Outcome]]:
        """Bring the instances into the folder, and say why the others did not come.

        Raises:
            Unavailable: the archive does not answer, or is busy.
            Refused: it does not hand out anything this way.
        """
        ...


class Target(Protocol):
    """Where instances go."""

    def send(self, fetched: Sequence[Fetched]) -> Iterator[Outcome]:
        """Send the files; what becomes of each, as soon as it is known.

        Raises:
            Unavailable: the archive does not answer, or is busy. What was reported before is done.
            Refused: it takes nothing from us.
        """
        ...


def open_source(archive: DimseArchive | DicomWebArchive, receiver: Receiver | None) -> Source:
    """The archive as a source; `receiver` is where it sends by C-MOVE.

    Raises:
        Refused: it sends by C-MOVE, and the site has no receiver.
    """
    if isinstance(archive, DicomWebArchive):
        return WadoSource(archive)
    if archive.retrieve_by == "c-get":
        return CGetSource(archive)
    if receiver is None:
        raise Refused(f"archive {archive.name} sends by C-MOVE: the site file needs [routing.receiver]")
    return CMoveSource(archive, receiver)


def open_target(archive: DimseArchive | DicomWebArchive, routing: Routing) -> Target:
    """The archive as a target."""
    if isinstance(archive, DicomWebArchive):
        return StowTarget(archive, routing.batch_bytes)
    return CStoreTarget(archive)


def goes_direct(source: DimseArchive | DicomWebArchive, target: DimseArchive | DicomWebArchive) -> bool:
    """Whether the source sends to the target itself, by C-MOVE, and nothing passes through here."""
    direct = isinstance(source, DimseArchive) and source.retrieve_by == "c-move-direct"
    return direct and isinstance(target, DimseArchive)

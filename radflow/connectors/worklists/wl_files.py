"""Worklist items as files in a folder, for wlmscpfs and Orthanc's worklist plug-in."""

import fcntl
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import stamina
from pydicom import Dataset

from mappings.dicom.wl_files import wl_file
from radflow.connectors.atomic import write_atomically
from radflow.connectors.errors import Unavailable
from radflow.model import Order
from radflow.settings.worklist_target import WlFiles

LOCK_FILE = "lockfile"
"""wlmscpfs answers only from a folder that has one, and holds a shared lock on it while it reads."""
_WAITS_FOR_READERS = 20.0
"""Seconds."""

_one_at_a_time = threading.Lock()
"""POSIX locks are those of a process: among threads they exclude nobody, and one lets go of all."""


class WlFolder:
    """A `WorklistClient`: a file for each item, named by the order's key."""

    def __init__(self, target: WlFiles) -> None:
        self._folder = target.folder

    def show(self, order: Order, items: Sequence[Dataset], studies: Collection[str]) -> None:
        files = {f"{order.key}.{number}.wl": item for number, item in enumerate(items, 1)}
        try:
            with _locked(self._folder / LOCK_FILE):
                for name, item in files.items():
                    write_atomically(self._folder / name, wl_file(item, name))
                for file in self._folder.glob(f"{order.key}.*.wl"):
                    if file.name not in files:
                        file.unlink()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Unavailable(f"worklist folder {self._folder}: {reason}") from error


@contextmanager
def _locked(lock_file: Path) -> Iterator[None]:
    """No reader of the folder is half-way through it; makes the lock file where there is none.

    Raises:
        OSError: the folder is not there, cannot be written, or is read without a pause.
    """
    with _one_at_a_time, lock_file.open("ab") as file:
        for attempt in stamina.retry_context(
            on=BlockingIOError, attempts=None, timeout=_WAITS_FOR_READERS, wait_initial=0.02, wait_max=0.5
        ):
            with attempt:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield

"""Files that are there whole or not at all, also after a power cut."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


def write_atomically(path: Path, content: bytes) -> None:
    """Put the content at this path, in the place of what is there; makes the folders."""
    _put_atomically(path, lambda file: file.write(content))


def copy_atomically(source: Path, path: Path) -> None:
    """Put a copy of the file at this path, in the place of what is there; makes the folders."""
    with source.open("rb") as content:
        _put_atomically(path, lambda file: shutil.copyfileobj(content, file))


def _put_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # The dot hides the unfinished file from those who read the folder.
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with unfinished.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """The rename itself lasts once the folder is on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

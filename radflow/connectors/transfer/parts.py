"""multipart/related (RFC 2387) as a stream: written for STOW-RS, and read from WADO-RS into a file."""

from collections.abc import Iterable, Iterator, Sequence
from email.message import Message
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from radflow.connectors.multipart import NotMultipart

_CHUNK = 64 * 1024
_LONGEST_HEADER = 16 * 1024


class DicomParts:
    """A STOW-RS body of DICOM files (PS3.18 §10.5.2), read from disk each time it is iterated."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._boundary = f"radflow-{uuid4().hex}"
        self._header = f"--{self._boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        self._end = f"--{self._boundary}--\r\n".encode()

    @property
    def headers(self) -> dict[str, str]:
        """Content-Type, and Content-Length: not every server takes a body of unknown length."""
        length = sum(len(self._header) + file.stat().st_size + 2 for file in self._files) + len(self._end)
        content_type = f'multipart/related; type="application/dicom"; boundary={self._boundary}'
        return {"Content-Type": content_type, "Content-Length": str(length)}

    def __iter__(self) -> Iterator[bytes]:
        for path in self._files:
            yield self._header
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
            yield b"\r\n"
        yield self._end


def write_first_part(content_type: str, chunks: Iterable[bytes], file: BinaryIO) -> None:
    """Write the first part's content to the file as it comes; a body that is no multipart is its own content.

    Raises:
        NotMultipart: there is no boundary, no part, or no end of it.
    """
    header = Message()
    header["Content-Type"] = content_type
    if header.get_content_maintype() != "multipart":
        file.writelines(chunks)
        return
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise NotMultipart("no boundary")
    delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
    stream = iter(chunks)
    _write_until(delimiter, _skip_header(delimiter, stream), stream, file)


def _skip_header(delimiter: bytes, stream: Iterator[bytes]) -> bytes:
    """What has been read behind the first part's header."""
    # The first delimiter may stand at the very beginning, without the line end before it.
    read = b"\r\n"
    for chunk in stream:
        read += chunk
        _, found, rest = read.partition(delimiter)
        _, empty_line, content = rest.partition(b"\r\n\r\n")
        if found and empty_line:
            return content
        if len(read) > _LONGEST_HEADER:
            break
    raise NotMultipart("no complete part")


def _write_until(delimiter: bytes, read: bytes, stream: Iterator[bytes], file: BinaryIO) -> None:
    while (end := read.find(delimiter)) < 0:
        # The delimiter may lie across two chunks.
        keep = len(delimiter) - 1
        file.write(read[:-keep])
        chunk = next(stream, None)
        if chunk is None:
            raise NotMultipart("no complete part")
        read = read[-keep:] + chunk
    file.write(read[:end])
    for _ in stream:
        pass

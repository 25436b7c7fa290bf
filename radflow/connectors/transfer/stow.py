"""Sending instances by STOW-RS (PS3.18 §10.5), from their files, a bounded number of bytes a request."""

from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

import httpx
from pydicom import Dataset

from radflow.connectors.transfer.instances import Fetched, Outcome
from radflow.connectors.transfer.parts import DicomParts
from radflow.connectors.transfer.statuses import is_temporary, words
from radflow.connectors.transfer.web import check_status, client_of, unavailable_when_broken
from radflow.settings import DicomWebArchive

_ACCEPT = "application/dicom+json, application/json;q=0.5"
_ANSWERS = (httpx.codes.OK, httpx.codes.ACCEPTED, httpx.codes.CONFLICT)
"""All stored, some stored, none stored: each with a list (PS3.18 table 10.5.3-1)."""


class StowTarget:
    """An archive that takes instances by STOW-RS."""

    def __init__(self, archive: DicomWebArchive, most_bytes: int) -> None:
        """A request has no more than `most_bytes`, unless one instance alone is larger."""
        self._archive = archive
        self._most_bytes = most_bytes
        self._client = client_of(archive)

    def send(self, fetched: Sequence[Fetched]) -> Iterator[Outcome]:
        """Send the files; what becomes of each, as soon as it is known.

        Raises:
            ArchiveUnavailable: it does not answer; what was reported before is done.
            Refused: it does not let us.
        """
        for group in self._groups(fetched):
            yield from self._store(group)

    def _groups(self, fetched: Sequence[Fetched]) -> Iterator[list[Fetched]]:
        group: list[Fetched] = []
        size = 0
        for one in fetched:
            more = one.file.stat().st_size
            if group and size + more > self._most_bytes:
                yield group
                group, size = [], 0
            group.append(one)
            size += more
        if group:
            yield group

    def _store(self, group: Sequence[Fetched]) -> Iterator[Outcome]:
        body = DicomParts([one.file for one in group])
        with unavailable_when_broken(self._archive.name, "STOW-RS"):
            answer = self._client.post(
                f"{self._archive.url.rstrip('/')}/studies",
                content=body,
                headers=body.headers | {"Accept": _ACCEPT},
            )
        check_status(answer.status_code, self._archive.name, "STOW-RS")
        if answer.status_code not in _ANSWERS:
            # Of one instance too many or too large the archive may refuse all: it is asked for each alone.
            if len(group) > 1:
                for one in group:
                    yield from self._store([one])
            else:
                yield Outcome(group[0].instance, f"STOW-RS: HTTP {answer.status_code}")
            return
        failed = _failures(answer)
        silent = "STOW-RS: HTTP 409 without a reason" if answer.status_code == httpx.codes.CONFLICT else ""
        for one in group:
            reason = failed.get(one.instance)
            if reason is None:
                yield Outcome(one.instance, silent)
            else:
                yield Outcome(one.instance, f"STOW-RS: {words(reason)}", is_temporary(reason))


def _failures(answer: httpx.Response) -> dict[str, int]:
    """SOP Instance UID → Failure Reason (0008,1197), of the Failed SOP Sequence (0008,1198)."""
    listed = _from_xml(answer) if "xml" in answer.headers.get("Content-Type", "") else _from_json(answer)
    return {
        str(item.get("ReferencedSOPInstanceUID", "")): int(item.get("FailureReason") or 0x0110)
        for item in listed.get("FailedSOPSequence") or ()
    }


def _from_json(answer: httpx.Response) -> Dataset:
    try:
        body = answer.json()
        return Dataset.from_json(body[0] if isinstance(body, list) else body)
    except (ValueError, TypeError, AttributeError, KeyError, IndexError):
        # Whether it was kept is seen when the target is asked what it has.
        return Dataset()


def _from_xml(answer: httpx.Response) -> Dataset:
    """Native DICOM Model (PS3.19 §A.1), which PS3.18 had first and some servers answer alone."""
    found = Dataset()
    found.FailedSOPSequence = []
    try:
        root = ElementTree.fromstring(answer.content)  # noqa: S314 (expat takes no external entities; the answer is short)
    except ElementTree.ParseError:
        return found
    for attribute in root.iter():
        if attribute.get("tag") == "00081198":
            found.FailedSOPSequence = [_xml_item(item) for item in attribute if item.tag.endswith("Item")]
    return found


def _xml_item(item: Any) -> Dataset:
    values = {one.get("tag"): "".join(one.itertext()).strip() for one in item}
    reference = Dataset()
    reference.ReferencedSOPInstanceUID = values.get("00081155", "")
    reason = values.get("00081197", "")
    reference.FailureReason = int(reason) if reason.isdigit() else 0x0110
    return reference

"""Storage Commitment, Push Model (PS3.4 annex J): what an archive is asked for, and what it answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset

from radflow.model import Instance

PROCESSING_FAILURE = 0x0110
"""Failure Reason (0008,1197) of what the archive's answer leaves out (PS3.3 §C.14.1.1)."""


@dataclass(frozen=True)
class CommitmentReport:
    """The N-EVENT-REPORT of an archive: event type 1, or 2 where there are failures (§J.3.3)."""

    transaction_uid: str
    committed: frozenset[str]
    """SOP Instance UIDs."""
    failed: dict[str, int]
    """SOP Instance UID → Failure Reason (0008,1197)."""

    def failures_among(self, wanted: Iterable[str]) -> dict[str, int]:
        """What was asked for and is not committed: refused, or left out of the answer."""
        return {uid: self.failed.get(uid, PROCESSING_FAILURE) for uid in wanted if uid not in self.committed}


def commitment_request(transaction_uid: str, instances: Iterable[Instance]) -> Dataset:
    """The action information of the N-ACTION (table J.3.2-1)."""
    request = Dataset()
    request.TransactionUID = transaction_uid
    request.ReferencedSOPSequence = [_reference(instance) for instance in instances]
    return request


def read_report(information: Dataset) -> CommitmentReport:
    """The event information of an N-EVENT-REPORT (table J.3.3-1); raises ValueError without a transaction."""
    transaction_uid = str(information.get("TransactionUID") or "")
    if not transaction_uid:
        raise ValueError("a report without Transaction UID (0008,1195)")
    failed = {
        uid: int(item.get("FailureReason") or PROCESSING_FAILURE)
        for uid, item in _instances(information.get("FailedSOPSequence"))
    }
    committed = {uid for uid, _ in _instances(information.get("ReferencedSOPSequence"))}
    return CommitmentReport(transaction_uid, frozenset(committed - failed.keys()), failed)


def _reference(instance: Instance) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = instance.sop_class_uid
    item.ReferencedSOPInstanceUID = instance.sop_instance_uid
    return item


def _instances(sequence: Any) -> list[tuple[str, Dataset]]:
    return [(str(item.get("ReferencedSOPInstanceUID", "")), item) for item in sequence or ()]

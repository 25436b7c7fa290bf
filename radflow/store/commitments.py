"""Storage commitments: what archives were asked for, and what they have taken responsibility for."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from mappings.dicom.commitment import CommitmentReport
from radflow.order import Event
from radflow.store import orders
from radflow.store.tables import OrderRow, StorageCommitmentRow

PATIENCE = timedelta(days=1)
"""How long an archive may take to answer before it is asked again."""


class UnknownTransaction(LookupError):
    """Nothing was asked for under this Transaction UID."""


def ask(
    session: Session,
    transaction_uid: str,
    *,
    order_key: str,
    study_instance_uid: str,
    archive: str,
    instances: Sequence[str],
    now: datetime,
) -> None:
    """Note a request, before it is sent: its answer may come from elsewhere, and at once.

    Args:
        instances: SOP Instance UIDs.
    """
    session.add(
        StorageCommitmentRow(
            transaction_uid=transaction_uid, order_key=order_key, study_instance_uid=study_instance_uid,
            archive=archive, instances=sorted(instances), requested_at=now, failed={},
        )
    )  # fmt: skip


def withdraw(session: Session, transaction_uid: str) -> None:
    """Forget a request that could not be sent."""
    row = session.get(StorageCommitmentRow, transaction_uid)
    if row and row.answered_at is None:
        session.delete(row)


def answer(session: Session, report: CommitmentReport, now: datetime) -> str:
    """Note what the archive answers, as an event of the order; returns its key. A repeat says nothing new.

    Raises:
        UnknownTransaction: nobody asked.
    """
    asked = session.get(StorageCommitmentRow, report.transaction_uid)
    if asked is None:
        raise UnknownTransaction(report.transaction_uid)
    order = session.get_one(OrderRow, asked.order_key, with_for_update=True)
    session.refresh(asked, with_for_update=True)
    if asked.answered_at:
        return order.key
    asked.answered_at, asked.failed = now, report.failures_among(asked.instances)
    session.add(asked)
    detail = {
        "study": asked.study_instance_uid,
        "committed": len(asked.instances) - len(asked.failed),
        "failed": len(asked.failed),
    }
    if asked.failed:
        reasons = Counter(asked.failed.values())
        detail["reasons"] = {f"{reason:04X}": count for reason, count in sorted(reasons.items())}
    event = Event.STORAGE_COMMITMENT_FAILED if asked.failed else Event.STORAGE_COMMITTED
    source = f"archive:{asked.archive}"
    orders.append(session, order, event, source=source, occurred_at=now, now=now, detail=detail)
    return order.key


def settled(
    session: Session,
    order_key: str,
    study_instance_uid: str,
    archive: str,
    instances: Sequence[str],
    now: datetime,
) -> bool:
    """Whether the archive has committed these instances, or has been asked and may still take its time."""
    query = (
        select(StorageCommitmentRow)
        .where(
            StorageCommitmentRow.order_key == order_key,
            StorageCommitmentRow.study_instance_uid == study_instance_uid,
            StorageCommitmentRow.archive == archive,
        )
        .order_by(col(StorageCommitmentRow.requested_at).desc())
    )
    newest = session.exec(query.limit(1)).first()
    if newest is None or newest.failed or newest.instances != sorted(instances):
        return False
    return newest.answered_at is not None or now - newest.requested_at < PATIENCE

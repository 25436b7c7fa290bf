"""DICOM SR documents of an order's studies: each is read once, and never changes."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from radflow.findings import StructuredReport
from radflow.store.tables import StructuredReportRow


def read_before(session: Session, order_key: str) -> frozenset[str]:
    """SOP Instance UIDs of the order's documents that need not be fetched again."""
    query = select(StructuredReportRow.sop_instance_uid).where(
        StructuredReportRow.order_key == order_key, col(StructuredReportRow.document).is_not(None)
    )
    return frozenset(session.exec(query))


def save(
    session: Session,
    order_key: str,
    *,
    study_instance_uid: str,
    series_instance_uid: str,
    sop_instance_uid: str,
    report: StructuredReport | None,
    trouble: str = "",
    now: datetime,
) -> None:
    """Keep the document, or why there is none yet."""
    query = select(StructuredReportRow).where(
        StructuredReportRow.order_key == order_key, StructuredReportRow.sop_instance_uid == sop_instance_uid
    )
    row = session.exec(query).one_or_none() or StructuredReportRow(
        order_key=order_key, study_instance_uid=study_instance_uid, series_instance_uid=series_instance_uid,
        sop_instance_uid=sop_instance_uid, document=None, fetched_at=now,
    )  # fmt: skip
    row.document = report.model_dump(mode="json") if report else None
    row.trouble, row.fetched_at = trouble, now
    session.add(row)


def of_order(
    session: Session, order_key: str, studies: Iterable[str] | None = None
) -> Sequence[StructuredReport]:
    """The order's documents, first read first; of these studies alone where they are named."""
    query = (
        select(StructuredReportRow)
        .where(StructuredReportRow.order_key == order_key, col(StructuredReportRow.document).is_not(None))
        .order_by(col(StructuredReportRow.id))
    )
    if studies is not None:
        query = query.where(col(StructuredReportRow.study_instance_uid).in_(list(studies)))
    return [StructuredReport.model_validate(row.document) for row in session.exec(query)]


def unread(session: Session, order_key: str) -> dict[str, str]:
    """SOP Instance UID → why it could not be read, of the order's documents."""
    query = select(StructuredReportRow).where(
        StructuredReportRow.order_key == order_key, col(StructuredReportRow.document).is_(None)
    )
    return {row.sop_instance_uid: row.trouble for row in session.exec(query)}

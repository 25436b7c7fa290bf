"""Reports: every version that came, with its order where one is known."""

from datetime import datetime

from sqlmodel import Session, col, select

from radflow.model import Report
from radflow.store.tables import ReportRow


def save(session: Session, order_key: str, report: Report, message_id: int | None, now: datetime) -> None:
    """Keep this version of the order's report."""
    session.add(
        ReportRow(
            order_key=order_key, message_id=message_id, status=report.status,
            document=report.model_dump(mode="json"), received_at=now,
        )
    )  # fmt: skip


def newest(session: Session, order_key: str) -> Report | None:
    """The version of the order's report that came last."""
    query = select(ReportRow).where(ReportRow.order_key == order_key).order_by(col(ReportRow.id).desc())
    row = session.exec(query).first()
    return Report.model_validate(row.document) if row else None

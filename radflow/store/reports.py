"""Reports: every version that came, of every source; and which of them counts."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from mappings.hl7.codes import report_event
from radflow.model import Report
from radflow.order import Event
from radflow.store import orders, standing
from radflow.store.standing import Sent
from radflow.store.tables import Message, OrderRow, ReportRow


def save(session: Session, order_key: str, report: Report, message_id: int | None, now: datetime) -> None:
    """Keep this version of the order's report."""
    session.add(
        ReportRow(
            order_key=order_key, message_id=message_id, source=report.source, status=report.status,
            document=report.model_dump(mode="json"), received_at=now,
        )
    )  # fmt: skip


def bring(
    session: Session,
    order_key: str,
    report: Report,
    *,
    prefer: Sequence[str],
    source: str,
    at: datetime,
    now: datetime,
    message_id: int | None = None,
) -> None:
    """Keep this version, and tell the order so: it is its report now, or one that is kept beside it.

    Args:
        prefer: the sources of reports, best first.
        source: who brings it, for the order's log.
        at: when it was issued, or else sent.

    Raises:
        NotAllowed: the order can have no report any more.
    """
    counted = present(session, order_key, prefer)
    save(session, order_key, report, message_id, now)
    event = event_of(report)
    if event is None or (counted and _says_nothing_new(report, counted, prefer)):
        event = Event.REPORT_KEPT
    orders.record(session, order_key, event, source=source, occurred_at=at, now=now)


def present(session: Session, order_key: str, prefer: Sequence[str]) -> Report | None:
    """The report that counts: the newest version of the best source that has one."""
    query = (
        select(ReportRow.id, ReportRow.source)
        .where(ReportRow.order_key == order_key)
        .order_by(col(ReportRow.id).desc())
    )
    found = sorted(session.exec(query), key=lambda row: rank(row[1], prefer))
    if not found:
        return None
    return Report.model_validate(session.get_one(ReportRow, found[0][0]).document)


def has_its_own(session: Session, order: OrderRow) -> bool:
    """Whether a report has named this very order, by its placer or filler number."""
    rows = session.exec(select(ReportRow).where(ReportRow.order_key == order.key))
    named = [Report.model_validate(row.document) for row in rows]
    return any(
        (one.placer_order_number and one.placer_order_number.value == order.placer_order_number)
        or (one.filler_order_number and one.filler_order_number.value == order.filler_order_number)
        for one in named
    )


def was_final(session: Session, order_key: str) -> bool:
    """Whether any version, of any source, has been final."""
    statuses = session.exec(select(ReportRow.status).where(ReportRow.order_key == order_key).distinct())
    return any(report_event(status) is Event.REPORT_RECEIVED for status in statuses)


def is_late(session: Session, order_key: str, report: Report, message: Message) -> bool:
    """Whether another version of its source is newer, by when it was issued (OBR-22).

    Where one of the two does not tell that, or both were issued at the same time, their messages decide.
    """
    query = select(ReportRow).where(ReportRow.order_key == order_key, ReportRow.source == report.source)
    rows = session.exec(query).all()
    brought_by = standing.sent(session, {row.message_id for row in rows if row.message_id is not None})
    mine = Sent.of(message)
    return any(
        _is_newer(Report.model_validate(row.document), brought_by.get(row.message_id or 0), report, mine)
        for row in rows
    )


def _is_newer(other: Report, other_sent: Sent | None, report: Report, sent: Sent) -> bool:
    if other.issued and report.issued and other.issued != report.issued:
        return other.issued > report.issued
    return other_sent is not None and other_sent.is_after(sent)


def event_of(report: Report) -> Event | None:
    """What the report is to its order; None where its status (OBR-25) is none of a report."""
    return Event.REPORT_WITHDRAWN if report.withdrawn else report_event(report.status)


def newest(session: Session, order_key: str, source: str = "hl7") -> Report | None:
    """The version that came last of this source."""
    query = select(ReportRow).where(ReportRow.order_key == order_key, ReportRow.source == source)
    row = session.exec(query.order_by(col(ReportRow.id).desc())).first()
    return Report.model_validate(row.document) if row else None


def rank(source: str, prefer: Sequence[str]) -> int:
    """0 for the best source; one that the site does not name comes last."""
    return prefer.index(source) if source in prefer else len(prefer)


def _says_nothing_new(report: Report, counted: Report, prefer: Sequence[str]) -> bool:
    """Whether it comes from a lesser source, or is the same report from a better one."""
    if report.source == counted.source:
        return False
    if rank(report.source, prefer) > rank(counted.source, prefer):
        return True
    return _content(report) == _content(counted)


def _content(report: Report) -> Report:
    """What it says, however it was called on its way."""
    return report.model_copy(
        update={
            "source": "hl7", "placer_order_number": None, "filler_order_number": None,
            "accession_number": "", "study_instance_uid": "",
        }
    )  # fmt: skip

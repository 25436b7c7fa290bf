"""ORU: reports come to their orders (IHE RAD-28).

A message of several reports is taken as far as their orders are known, and waits for the others: what it has
already brought is not brought twice.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, select

from mappings.hl7.codes import WITHOUT_REPORT
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.reader import Hl7Message
from mappings.hl7.reports import read_reports
from radflow.model import Report
from radflow.services.intake import numbers
from radflow.services.intake.taken import SUPERSEDED, UNKNOWN_ORDER, Taken
from radflow.settings import Site
from radflow.store import messages, orders, reports
from radflow.store.tables import OrderRow, ReportRow


def read(message: Hl7Message, site: Site) -> Sequence[Report]:
    """The reports of the message. Raises NotTakable as `read_reports` does."""
    return read_reports(message, site=site.name, zone=site.zone)


def apply(session: Session, batch: Sequence[Taken[Sequence[Report]]], now: datetime) -> None:
    """Bring each report to its order.

    Raises:
        NotTakable: a status is none of a report that can be published.
        NotAllowed: an order can have no report any more.
    """
    for taken in batch:
        _apply(session, taken, now)


def _apply(session: Session, taken: Taken[Sequence[Report]], now: datetime) -> None:
    keys: set[str] = set()
    missing: set[str] = set()
    heard = True
    for report in taken.said:
        if report.status in WITHOUT_REPORT:
            continue
        rows = orders.of_report(session, report)
        if not rows:
            missing |= numbers.of_report(report)
        for row in [*rows, *_fellows(session, rows, taken)]:
            keys.add(row.key)
            heard &= _bring(session, row.key, report, taken, now)
    if missing:
        messages.mark_waiting(session, taken.message, UNKNOWN_ORDER, missing, now)
    else:
        messages.mark_processed(session, taken.message, keys, now, "" if heard else SUPERSEDED)


def _fellows(
    session: Session, rows: Sequence[OrderRow], taken: Taken[Sequence[Report]]
) -> Sequence[OrderRow]:
    """The other orders of the group, where the site has one report for all; none that has one of its own."""
    if taken.site.results.for_group == "named" or len(rows) != 1:
        return ()
    return [row for row in orders.group_of(session, rows[0]) if not reports.has_its_own(session, row)]


def _bring(
    session: Session, order_key: str, report: Report, taken: Taken[Sequence[Report]], now: datetime
) -> bool:
    """Whether it still had something to say: False when a newer message has reported since."""
    event = reports.event_of(report)
    if event is None:
        raise NotTakable(
            ErrorCode.TABLE_VALUE_NOT_FOUND,
            "OBR^1^25",
            "OBR-25 is no status of a report that can be published.",
        )
    if reports.newest(session, order_key, report.source) == report or _brought_already(
        session, order_key, report, taken
    ):
        return True
    if reports.is_late(session, order_key, report, taken.message):
        return False
    reports.bring(
        session, order_key, report, prefer=taken.site.results.prefer, source=taken.source,
        at=report.issued or taken.sent_at, now=now, message_id=taken.message.id,
    )  # fmt: skip
    return True


def _brought_already(
    session: Session, order_key: str, report: Report, taken: Taken[Sequence[Report]]
) -> bool:
    query = select(ReportRow).where(
        ReportRow.order_key == order_key, ReportRow.message_id == taken.message.id
    )
    document = report.model_dump(mode="json")
    return any(row.document == document for row in session.exec(query))

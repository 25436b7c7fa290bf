"""All that the store knows of orders, many at once: six queries for as many orders as are asked for."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlmodel import Session, SQLModel, col, select

from mappings.warehouse import Event, Life
from radflow.findings import StructuredReport
from radflow.model import Order, Report, Study
from radflow.order import State
from radflow.store.orders import STAGES
from radflow.store.reports import rank
from radflow.store.tables import OrderEvent, OrderRow, ReportRow, StructuredReportRow, StudyRow

Row = TypeVar("Row", bound=SQLModel)

MOST_AT_ONCE = 500
"""Values in one IN list."""


def lives(session: Session, keys: Sequence[str], prefer: Sequence[str]) -> Iterator[Life]:
    """The orders of these keys, at most `MOST_AT_ONCE`; one that is not there is left out.

    Args:
        prefer: the sources of reports, best first.
    """
    rows = session.exec(select(OrderRow).where(col(OrderRow.key).in_(keys)).order_by(col(OrderRow.key))).all()
    events = _by_order(session, OrderEvent, OrderEvent.order_key, OrderEvent.id, keys)
    studies = _by_order(session, StudyRow, StudyRow.order_key, StudyRow.id, keys)
    reports = _by_order(session, ReportRow, ReportRow.order_key, ReportRow.id, keys)
    documents = _by_order(
        session, StructuredReportRow, StructuredReportRow.order_key, StructuredReportRow.id, keys
    )
    for row in rows:
        log = [
            Event(line.id or 0, line.event, line.step, line.occurred_at, line.source)
            for line in events[row.key]
        ]
        versions = [(one.received_at, Report.model_validate(one.document)) for one in reports[row.key]]
        yield Life(
            order=Order.model_validate(row.document),
            state=State(row.state),
            reached=_reached(log),
            events=log,
            studies=[Study.model_validate(study.document) for study in studies[row.key]],
            reports=versions,
            report=min(
                (report for _, report in reversed(versions)),
                key=lambda report: rank(report.source, prefer),
                default=None,
            ),
            documents=[
                StructuredReport.model_validate(one.document) for one in documents[row.key] if one.document
            ],
            attention=bool(row.trouble),
            updated_at=row.updated_at,
        )


def _reached(log: Sequence[Event]) -> dict[str, Any]:
    first: dict[str, Any] = {}
    for line in log:
        for stage, reached_by in STAGES.items():
            if line.event in reached_by:
                first.setdefault(stage, line.occurred_at)
    return first


def _by_order(
    session: Session, table: type[Row], order_key: Any, id_: Any, keys: Sequence[str]
) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in session.exec(select(table).where(col(order_key).in_(keys)).order_by(col(id_))):
        found[getattr(row, order_key.key)].append(row)
    return found

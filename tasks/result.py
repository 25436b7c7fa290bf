"""Everything that publishing needs to know of an order, read from the store at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from radflow.model import Identifier, Order, Report, Study
from radflow.order import State
from radflow.settings import Site, settings
from radflow.store import orders, patients, reports, studies
from radflow.store.engine import store
from radflow.store.tables import OrderRow


@dataclass(frozen=True)
class Result:
    """An order with its images and the report that counts."""

    order: Order
    studies: Sequence[Study]
    report: Report | None
    was_final: bool
    """Whether any version of its report has been final."""
    site: Site
    retired: Sequence[Identifier]
    """What its patient was called before they were merged."""
    state: State
    revision: int
    stages: dict[str, datetime]
    """When each stage was first reached, UTC: received, worklisted, acquired, reported, published."""
    day: date
    """UTC day on which the order was received: the partition that its files are in."""


def read_result(order_key: str) -> Result:
    """The result as the store has it now. Raises NoResultFound when there is no such order."""
    with store().read() as session:
        row = session.get_one(OrderRow, order_key)
        site = settings().site(row.site)
        return Result(
            order=Order.model_validate(row.document),
            studies=studies.of_order(session, order_key),
            report=reports.present(session, order_key, site.results.prefer),
            was_final=reports.was_final(session, order_key),
            site=site,
            retired=patients.retired_of(session, row.patient_id),
            state=State(row.state),
            revision=row.revision,
            stages=orders.stages_of(session, order_key),
            day=row.created_at.date(),
        )

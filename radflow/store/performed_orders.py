"""Which orders a modality performs: by Study Instance UID and accession number, never by a guess."""

from collections.abc import Callable, Collection, Iterator, Sequence

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, or_, select

from mappings.dicom.mpps import Json, PerformedStep, ScheduledStep
from radflow.order import State
from radflow.store.tables import OrderRow, PerformedStepOrder, PerformedStepRow

_PER_QUERY = 500
"""Values in one IN list."""


def match(
    session: Session, site: str, said: ScheduledStep, patient_id: str, *, grouped: bool = False
) -> list[str]:
    """The keys of the orders that an item of the Scheduled Step Attributes Sequence names.

    Those with its Study Instance UID, else those of the patient with its accession number, which may be
    typed; where that is several, those of them that fit its other numbers too.

    Args:
        grouped: there are several items. They may share one UID (PS3.4 §F.7.2.1.2, note 2): then each is
            known by its accession number.
    """
    numbers: list[ColumnElement[bool]] = [col(OrderRow.study_instance_uid).in_(said.study_instance_uids)]
    if said.accession_number:
        numbers.append(col(OrderRow.accession_number) == said.accession_number)
    found = session.exec(select(OrderRow).where(OrderRow.site == site, or_(*numbers))).all()
    by_uid = [row for row in found if row.study_instance_uid in said.study_instance_uids]
    by_accession = [row for row in found if row not in by_uid and _is_of(row, patient_id)]
    rows = by_uid + by_accession if grouped else by_uid or by_accession
    for fits in _FITS:
        rows = [row for row in rows if fits(row, said)] or rows
    return sorted(row.key for row in rows)


def lock_orders(session: Session, keys: Collection[str]) -> dict[str, OrderRow]:
    """These orders, locked until the transaction ends; always in the same order."""
    query = select(OrderRow).where(col(OrderRow.key).in_(keys)).order_by(OrderRow.key)
    locked = query.with_for_update().execution_options(populate_existing=True)
    return {row.key: row for row in session.exec(locked)} if keys else {}


def scheduled_steps_of(
    sop_instance_uid: str, said: ScheduledStep, rows: Sequence[OrderRow]
) -> Iterator[PerformedStepOrder]:
    """What is kept of an item: a row for each of its orders, or one for each UID until its order is known."""
    uids = said.study_instance_uids or ("",)
    for row in rows:
        yield PerformedStepOrder(
            sop_instance_uid=sop_instance_uid,
            order_key=row.key,
            # Of a step that the order does not have nobody knows which part of the order it is.
            step_id=said.step_id if _has_step(row, said) else "",
            study_instance_uid=uids[0],
            accession_number=said.accession_number,
        )
    for uid in () if rows else uids:
        yield PerformedStepOrder(
            sop_instance_uid=sop_instance_uid,
            step_id=said.step_id,
            study_instance_uid=uid,
            accession_number=said.accession_number,
        )


def performed_in(session: Session, site: str, uids: Sequence[str]) -> dict[str, list[OrderRow]]:
    """Study Instance UID → the orders whose images are in it, as the modality says; no cancelled ones."""
    found: dict[str, dict[str, OrderRow]] = {}
    for start in range(0, len(uids), _PER_QUERY):
        query = (
            select(PerformedStepOrder.study_instance_uid, OrderRow)
            .join(OrderRow)
            .where(
                OrderRow.site == site,
                OrderRow.state != State.CANCELLED,
                col(PerformedStepOrder.study_instance_uid).in_(uids[start : start + _PER_QUERY]),
            )
        )
        for uid, row in session.exec(query):
            found.setdefault(uid, {})[row.key] = row
    return {uid: list(rows.values()) for uid, rows in found.items()}


def move(session: Session, study_instance_uid: str, from_key: str, to_key: str | None) -> None:
    """Let what was performed into this study for one order be another one's, or none's that is known.

    Which of the other order's scheduled steps it is nobody knows: it is taken for all of them.
    """
    query = select(PerformedStepOrder).where(
        PerformedStepOrder.order_key == from_key, PerformedStepOrder.study_instance_uid == study_instance_uid
    )
    for link in session.exec(query):
        link.order_key, link.step_id = to_key, ""
        session.add(link)
    session.flush()


def studies_of(session: Session, order_key: str) -> list[str]:
    """The Study Instance UIDs that the modality has given to the order's images."""
    query = select(PerformedStepOrder.study_instance_uid).where(PerformedStepOrder.order_key == order_key)
    return sorted(set(session.exec(query)) - {""})


def waiting_for_order(
    session: Session, order: OrderRow, read: Callable[[Json], PerformedStep]
) -> list[tuple[PerformedStepOrder, PerformedStepRow]]:
    """What was performed for this order before it was known here, oldest first; locked."""
    numbers = [PerformedStepOrder.study_instance_uid == order.study_instance_uid]
    if order.accession_number:
        numbers.append(PerformedStepOrder.accession_number == order.accession_number)
    query = (
        select(PerformedStepOrder, PerformedStepRow)
        .join(PerformedStepRow)
        .where(
            col(PerformedStepOrder.order_key).is_(None), or_(*numbers), PerformedStepRow.site == order.site
        )
        .order_by(col(PerformedStepOrder.id))
        .with_for_update()
    )
    return [
        (link, row)
        for link, row in session.exec(query)
        if link.study_instance_uid == order.study_instance_uid or _is_of(order, read(row.dataset).patient_id)
    ]


def _is_of(row: OrderRow, patient_id: str) -> bool:
    """Whether the order is of this patient. An accession number alone may be a typing error."""
    return patient_id in {one["value"] for one in row.document["patient"]["identifiers"]}


def _has_step(row: OrderRow, said: ScheduledStep) -> bool:
    return said.step_id in {step["step_id"] for step in row.document["steps"]}


_FITS: tuple[Callable[[OrderRow, ScheduledStep], bool], ...] = (
    lambda row, said: row.accession_number == said.accession_number,
    lambda row, said: row.document["requested_procedure_id"] == said.requested_procedure_id,
    _has_step,
)

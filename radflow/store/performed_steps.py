"""Modality performed procedure steps, and what becomes of the orders that they perform.

Orders are locked before a performed step is, as the intake does it: so none of the two waits for the other.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, delete, select

from mappings.dicom.mpps import COMPLETED, DISCONTINUED, FINAL, IN_PROGRESS, Json, PerformedStep
from radflow.order import Event
from radflow.store import orders
from radflow.store.performed_orders import lock_orders, match, scheduled_steps_of, waiting_for_order
from radflow.store.tables import OrderRow, PerformedStepOrder, PerformedStepRow, WorklistItem
from radflow.store.worklist import SCHEDULED

_STATUS = "00400252"
"""Performed Procedure Step Status, as a key of the kept dataset."""
STEP_STARTED, STEP_COMPLETED = "STARTED", "COMPLETED"
"""Scheduled Procedure Step Status (0040,0020) while a step is performed (PS3.3 table C.4-10), and then."""


class AlreadyThere(LookupError):
    """A performed step of this SOP Instance UID has been created."""


class HasEnded(ValueError):
    """The performed step has ended: its status changes no more (PS3.4 §F.7.2.2.2)."""


class UnknownStep(LookupError):
    """There is no performed step of this SOP Instance UID."""


def begin(
    session: Session, site: str, sop_instance_uid: str, dataset: Json, step: PerformedStep, now: datetime
) -> list[str]:
    """Keep a new performed step; returns the keys of the orders that it performs, none where none is known.

    Raises:
        AlreadyThere: its UID is that of another one.
    """
    if session.get(PerformedStepRow, sop_instance_uid):
        raise AlreadyThere(sop_instance_uid)
    row = PerformedStepRow(
        sop_instance_uid=sop_instance_uid, site=site, status=step.status, modality=step.modality,
        station_ae_title=step.station_ae_title, started_at=step.started, ended_at=step.ended,
        received_at=now, updated_at=now, dataset=dataset,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return _link(session, row, step, now)


def get(session: Session, site: str, sop_instance_uid: str) -> PerformedStepRow:
    """The performed step, with the orders that it performs locked before it.

    Raises:
        UnknownStep: there is none.
    """
    lock_orders(session, orders_of(session, sop_instance_uid))
    row = session.get(PerformedStepRow, sop_instance_uid, with_for_update=True, populate_existing=True)
    if row is None or row.site != site:
        raise UnknownStep(sop_instance_uid)
    return row


def update(
    session: Session, row: PerformedStepRow, dataset: Json, step: PerformedStep, now: datetime
) -> list[str]:
    """Keep what an N-SET has made of a step that `get` has given; returns the keys of its orders."""
    row.status, row.dataset, row.ended_at, row.updated_at = step.status, dataset, step.ended, now
    session.add(row)
    session.flush()
    keys = orders_of(session, row.sop_instance_uid) or _link(session, row, step, now)
    rows = lock_orders(session, keys)
    if step.status in FINAL:
        for order in rows.values():
            _happens(session, order, _end_of(session, order.key, step.status), row, step, now)
    return list(rows)


def close(
    session: Session, row: PerformedStepRow, step: PerformedStep, *, by: str, reason: str, now: datetime
) -> list[str]:
    """Discontinue a step that `get` has given, and that its modality has never ended; the keys of its orders.

    Raises:
        HasEnded: it is COMPLETED or DISCONTINUED.
    """
    if row.status in FINAL:
        raise HasEnded(row.status)
    row.status, row.ended_at, row.updated_at = DISCONTINUED, now, now
    row.dataset = {**row.dataset, _STATUS: {"vr": "CS", "Value": [DISCONTINUED]}}
    session.add(row)
    session.flush()
    rows = lock_orders(session, orders_of(session, row.sop_instance_uid))
    for order in rows.values():
        orders.append(
            session, order, _end_of(session, order.key, DISCONTINUED), source=f"person:{by}", occurred_at=now,
            now=now, detail={"station": step.station_ae_title, "modality": step.modality, "reason": reason},
        )  # fmt: skip
        session.flush()
        show_on_worklist(session, order.key)
    return list(rows)


def link_new(session: Session, order: OrderRow, read: Callable[[Json], PerformedStep], now: datetime) -> None:
    """Link performed steps that came before their order, by its UID or accession number.

    Args:
        read: tells what a step's dataset says.
    """
    for link, row in waiting_for_order(session, order, read):
        link.order_key = order.key
        link.step_id = link.step_id if link.step_id in _step_ids(order) else ""
        session.add(link)
        session.flush()
        step = read(row.dataset)
        _happens(session, order, Event.STEP_STARTED, row, step, now)
        if row.status in FINAL:
            _happens(session, order, _end_of(session, order.key, row.status), row, step, now)


def completed(session: Session, order_key: str) -> bool:
    """Whether the modality says that the order is done: each scheduled step has ended, one completed."""
    told = _told(session, order_key)
    statuses = {status for _, status in told}
    if IN_PROGRESS in statuses or COMPLETED not in statuses:
        return False
    ended = {step_id for step_id, _ in told}
    return "" in ended or ended >= _step_ids(session.get_one(OrderRow, order_key))


def show_on_worklist(session: Session, order_key: str) -> None:
    """Give the order's worklist items the status that its performed steps have; others keep theirs."""
    told = _told(session, order_key)
    for item in session.exec(select(WorklistItem).where(WorklistItem.order_key == order_key)) if told else ():
        statuses = {status for step_id, status in told if step_id in ("", item.scheduled_procedure_step_id)}
        if IN_PROGRESS in statuses:
            item.status = STEP_STARTED
        elif COMPLETED in statuses:
            item.status = STEP_COMPLETED
        elif item.status in (STEP_STARTED, STEP_COMPLETED):
            # All were discontinued: it is to be done again.
            item.status = SCHEDULED
        session.add(item)


def orders_of(session: Session, sop_instance_uid: str) -> set[str]:
    """The keys of the orders that a performed step performs."""
    query = select(PerformedStepOrder.order_key).where(
        PerformedStepOrder.sop_instance_uid == sop_instance_uid,
        col(PerformedStepOrder.order_key).is_not(None),
    )
    return {key for key in session.exec(query) if key}


def look(session: Session, sop_instance_uid: str) -> PerformedStepRow:
    """The performed step as it is kept.

    Raises:
        UnknownStep: there is none.
    """
    row = session.get(PerformedStepRow, sop_instance_uid)
    if row is None:
        raise UnknownStep(sop_instance_uid)
    return row


def newest(
    session: Session, limit: int, *, site: str = "", unlinked: bool = False
) -> Sequence[PerformedStepRow]:
    """Performed steps, newest first.

    Args:
        unlinked: only those of which no order is known.
    """
    query = select(PerformedStepRow).order_by(col(PerformedStepRow.received_at).desc()).limit(limit)
    if site:
        query = query.where(PerformedStepRow.site == site)
    if unlinked:
        linked = select(PerformedStepOrder.sop_instance_uid).where(
            col(PerformedStepOrder.order_key).is_not(None)
        )
        query = query.where(col(PerformedStepRow.sop_instance_uid).not_in(linked))
    return session.exec(query).all()


def _link(session: Session, row: PerformedStepRow, step: PerformedStep, now: datetime) -> list[str]:
    """Find the orders that a step performs, and tell them that it has begun; returns their keys."""
    grouped = len(step.scheduled) > 1
    found = [
        (said, match(session, row.site, said, step.patient_id, grouped=grouped)) for said in step.scheduled
    ]
    rows = lock_orders(session, {key for _, keys in found for key in keys})
    session.exec(
        delete(PerformedStepOrder).where(col(PerformedStepOrder.sop_instance_uid) == row.sop_instance_uid)
    )
    for said, keys in found:
        for link in scheduled_steps_of(row.sop_instance_uid, said, [rows[key] for key in keys]):
            session.add(link)
    session.flush()
    for order in rows.values():
        _happens(session, order, Event.STEP_STARTED, row, step, now)
    return list(rows)


def _happens(
    session: Session, order: OrderRow, event: Event, row: PerformedStepRow, step: PerformedStep, now: datetime
) -> None:
    at = step.started if event is Event.STEP_STARTED else step.ended
    detail: dict[str, Any] = {"station": step.station_ae_title, "modality": step.modality}
    if event is not Event.STEP_STARTED:
        detail |= {"series": step.series, "instances": step.instances}
    if step.discontinued_because:
        detail["reason"] = step.discontinued_because
    source = f"mpps:{row.sop_instance_uid}"
    orders.append(session, order, event, source=source, occurred_at=at or now, now=now, detail=detail)
    session.flush()
    show_on_worklist(session, order.key)


def _end_of(session: Session, order_key: str, status: str) -> Event:
    """What an order hears of it when one of its performed steps ends."""
    if status == COMPLETED:
        return Event.ACQUISITION_COMPLETED
    others = {other for _, other in _told(session, order_key)}
    return Event.ACQUISITION_ABANDONED if others == {DISCONTINUED} else Event.ACQUISITION_DISCONTINUED


def _told(session: Session, order_key: str) -> list[tuple[str, str]]:
    """Of each performed step of an order: the scheduled step's ID, empty for all of them, and the status."""
    query = (
        select(PerformedStepOrder.step_id, PerformedStepRow.status)
        .join(PerformedStepRow)
        .where(PerformedStepOrder.order_key == order_key)
    )
    return [(step_id, status) for step_id, status in session.exec(query)]


def _step_ids(order: OrderRow) -> set[str]:
    steps: Iterable[dict[str, Any]] = order.document["steps"]
    return {step["step_id"] for step in steps}

"""Archives that say what they have (PS3.4 annex R), and the orders that it concerns."""

from datetime import datetime

from sqlmodel import Session, col, or_, select

from mappings.dicom.availability import Notice
from radflow.order import Event
from radflow.store import orders
from radflow.store.performed_orders import lock_orders
from radflow.store.tables import OrderEvent, OrderRow, PerformedStepOrder


def note(session: Session, site: str, uid: str, notice: Notice, now: datetime) -> list[str]:
    """Tell the orders of the study, and those of the performed steps that it names; returns their keys.

    A notice that is sent again says nothing new.

    Args:
        uid: the notice's SOP Instance UID.
    """
    source = f"availability:{uid}"
    performed = select(PerformedStepOrder.order_key).where(
        col(PerformedStepOrder.sop_instance_uid).in_(notice.performed_steps),
        col(PerformedStepOrder.order_key).is_not(None),
    )
    concerned = select(OrderRow.key).where(
        OrderRow.site == site,
        or_(OrderRow.study_instance_uid == notice.study_instance_uid, col(OrderRow.key).in_(performed)),
    )
    rows = lock_orders(session, set(session.exec(concerned)))
    heard = select(OrderEvent.order_key).where(
        col(OrderEvent.order_key).in_(rows), OrderEvent.source == source
    )
    for key in set(session.exec(heard)):
        del rows[key]
    detail = {
        "instances": notice.available,
        "unavailable": notice.unavailable,
        "retrieve_from": list(notice.retrieve_ae_titles),
    }
    for row in rows.values():
        orders.append(
            session, row, Event.INSTANCES_AVAILABLE, source=source, occurred_at=now, now=now, detail=detail
        )
    return list(rows)

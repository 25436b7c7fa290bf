"""Orders follow their patient: what ADT says of one reaches the worklist and what is published."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from radflow.model import Patient
from radflow.order import FINISHED, Event, State
from radflow.store import orders
from radflow.store.tables import OrderRow


def having_orders(session: Session, patient_ids: Collection[int]) -> set[int]:
    """Those of the patients who have orders."""
    query = select(OrderRow.patient_id).where(col(OrderRow.patient_id).in_(patient_ids)).distinct()
    return set(session.exec(query)) if patient_ids else set()


def follow(
    session: Session,
    patient_id: int,
    patient: Patient,
    event: Event,
    *,
    before: Collection[int] = (),
    source: str,
    occurred_at: datetime,
    now: datetime,
) -> set[str]:
    """Have the orders of a patient show them as they are now; returns the keys of those that were changed.

    Args:
        event: PATIENT_CHANGED or PATIENT_MERGED.
        before: ids of the patients that have been merged into this one.
    """
    theirs = select(OrderRow).where(col(OrderRow.patient_id).in_({patient_id, *before}))
    document = patient.model_dump(mode="json")
    changed = set()
    for row in session.exec(theirs.order_by(OrderRow.key).with_for_update()):
        moves, shown = row.patient_id != patient_id, row.document["patient"]
        told = moves or _telling(shown) != _telling(document)
        row.patient_id = patient_id
        if told:
            row.document = {**row.document, "patient": document}
            orders.append(session, row, event, source=source, occurred_at=occurred_at, now=now)
            changed.add(row.key)
        elif _is_open(row) and shown != document:
            row.document, row.updated_at = {**row.document, "patient": document}, now
        session.add(row)
    return changed


def _telling(patient: dict[str, Any]) -> tuple[Any, ...]:
    """What says who it is. A change of anything else, such as an address, is noted in an open order, and does
    not publish a finished one anew.
    """
    identifiers = [(one["value"], one["assigner"]) for one in patient["identifiers"]]
    return identifiers, patient["name"], patient["birth_date"], patient["sex"]


def _is_open(row: OrderRow) -> bool:
    return State(row.state) not in FINISHED

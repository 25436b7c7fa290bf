"""What people do to orders: each an event with its author, which `radflow/order.py` accepts or refuses.

A reason is kept in the order's log, so nothing of the patient belongs into it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlmodel import Session

from mappings.hl7.orders import make_study_instance_uid
from radflow.model import Order, Study
from radflow.order import TRANSITIONS, Event, State, images_event
from radflow.store import candidates, orders, outbox, performed_orders, studies, worklist
from radflow.store.tables import OrderRow

AfterStart = Literal["refuse", "discontinue"]


class NotLinked(LookupError):
    """The order has no such study."""


@dataclass(frozen=True)
class Person:
    """Who does it, why and when."""

    name: str
    reason: str
    now: datetime


def hold(session: Session, key: str, who: Person) -> None:
    """Take the order off the worklist and keep it (HL7 table 0119, HD)."""
    _say(session, orders.locked(session, key), Event.ORDER_HELD, who)


def resume(session: Session, key: str, who: Person) -> None:
    """Let a held order go on (RL)."""
    _say(session, orders.locked(session, key), Event.ORDER_RELEASED, who)


def cancel(session: Session, key: str, who: Person, after_start: AfterStart) -> None:
    """Cancel the order (CA); once it has begun, as the site says.

    Raises:
        NotAllowed: it has begun, and the site refuses then; or it is over.
    """
    row = orders.locked(session, key)
    _say(session, row, cancellation(State(row.state), after_start), who)


def close(session: Session, key: str, who: Person) -> None:
    """Give the order up: nothing more will come of it. Late facts open it again."""
    _say(session, orders.locked(session, key), Event.ORDER_CLOSED, who)


def republish(session: Session, key: str, who: Person) -> None:
    """Have what is published made and sent anew, under MSH-10 of its own."""
    _say(session, orders.locked(session, key), Event.REPUBLICATION_ASKED, who)


def resend(session: Session, key: str, who: Person) -> int:
    """Send the last message of the order to each destination once more, as it is; how many there are."""
    row = orders.locked(session, key)
    again = outbox.send_again(session, key)
    _say(session, row, Event.SENDING_ASKED, who, messages=len(again))
    return len(again)


def link(session: Session, key: str, study: Study, who: Person) -> None:
    """Say that the study is the order's, whatever its numbers.

    Raises:
        NotAllowed: the order is cancelled.
    """
    row = orders.locked(session, key)
    studies.confirm(session, key, study, who.now)
    candidates.decide(session, key, study, candidates.CONFIRMED, by=who.name, reason=who.reason, now=who.now)
    _say(session, row, images_event(State(row.state)), who, study=study.study_instance_uid)


def unlink(session: Session, key: str, study_instance_uid: str, who: Person, uid_root: str) -> Study:
    """Say that the study is not the order's: it is not found for it again, what was published is withdrawn.

    Where the study bears the order's own UID (the wrong worklist entry was picked), the order gets another
    one for the images that are still to be made.

    Args:
        uid_root: the site's, for that UID.

    Raises:
        NotLinked: the order has no such study.
        NotAllowed: the order is cancelled or closed.
    """
    row = orders.locked(session, key)
    kept = studies.find(session, key, study_instance_uid)
    if kept is None:
        raise NotLinked(study_instance_uid)
    study = Study.model_validate(kept.document)
    session.delete(kept)
    performed_orders.move(session, study_instance_uid, key, None)
    candidates.decide(session, key, study, candidates.REFUSED, by=who.name, reason=who.reason, now=who.now)
    # Made anew, without what the modality has said of this study.
    worklist.take_off(session, key)
    session.flush()
    others = studies.of_order(session, key)
    if row.study_instance_uid == study_instance_uid:
        _rename_study(row, make_study_instance_uid(uid_root, f"{key}:{row.revision}"))
    event = Event.STUDY_CHANGED if others else Event.STUDY_UNLINKED
    _say(session, row, event, who, study=study_instance_uid)
    return study


def relink(
    session: Session, study_instance_uid: str, from_key: str, to_key: str, who: Person, uid_root: str
) -> None:
    """The wrong worklist entry was picked: the study, and what the modality said of it, is another order's.

    Raises:
        NotLinked: the first order has no such study.
        NotAllowed: one of the orders cannot lose or have it.
    """
    # Both before either is changed, and always in the same order: so no two of these wait for each other.
    for key in sorted({from_key, to_key}):
        orders.locked(session, key)
    performed_orders.move(session, study_instance_uid, from_key, to_key)
    link(session, to_key, unlink(session, from_key, study_instance_uid, who, uid_root), who)


def cancellation(state: State, after_start: AfterStart) -> Event:
    """What a cancellation is to an order in this state: late, the site may discontinue it."""
    late = (state, Event.ORDER_CANCELLED) not in TRANSITIONS
    discontinues = late and after_start == "discontinue" and (state, Event.ORDER_DISCONTINUED) in TRANSITIONS
    return Event.ORDER_DISCONTINUED if discontinues else Event.ORDER_CANCELLED


def _rename_study(row: OrderRow, uid: str) -> None:
    order = Order.model_validate(row.document).model_copy(update={"study_instance_uid": uid})
    row.study_instance_uid, row.document = uid, order.model_dump(mode="json")


def _say(session: Session, row: OrderRow, event: Event, who: Person, **facts: Any) -> None:
    orders.append(
        session, row, event, source=f"person:{who.name}", occurred_at=who.now, now=who.now,
        detail={"reason": who.reason, **facts},
    )  # fmt: skip

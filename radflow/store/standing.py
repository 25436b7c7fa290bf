"""Whether a message still has something to say: the rule that makes every replay safe.

A message changes an order only if no later message has spoken in the same matter (the order's content, its
control, its report); later is by order of arrival, that is by the message's id. What the order's log already
has from this very message is not recorded again.
"""

from sqlmodel import Session, col, select

from radflow.order import FINISHED, PATIENT_EVENTS, TRANSITIONS, Event
from radflow.store.tables import CatalogueEntry, OrderEvent, PatientRow

_SOURCE = "message:"

REPORTS = frozenset({Event.PRELIMINARY_RECEIVED, Event.REPORT_RECEIVED})
CONTENT = frozenset({Event.ORDER_RECEIVED, Event.ORDER_CHANGED})
_ENDS = frozenset(
    event for (before, event), after in TRANSITIONS.items() if after in FINISHED and before not in FINISHED
)
_OTHER_MATTERS = REPORTS | PATIENT_EVENTS | {Event.ORDER_RECEIVED}
"""What supersedes no control."""


def source_of(message_id: int | None) -> str:
    """How the log names a message that has brought an event."""
    return f"{_SOURCE}{message_id}"


def superseded(session: Session, order_key: str, message_id: int | None, event: Event) -> bool:
    """Whether the message must not record this event (any more), as the order's log tells.

    A message without any effect so far is judged alike: an old change that was in quarantine does not come
    on top of a newer one. Only a first placing that came later supersedes no change, cancellation or hold:
    then the message had overtaken its order, and has waited for it.

    Args:
        event: what the message would record; ORDER_RECEIVED when it places an order, new or known.
    """
    assert message_id is not None
    return any(
        _later_in_the_matter(event, said) if by > message_id else _said_already(event, said)
        for said, by in _told(session, order_key)
        if by >= message_id
    )


def takes_word_of(row: PatientRow | CatalogueEntry, message_id: int | None) -> bool:
    """Whether the message is not older than the newest that has told of this row; it is the newest then."""
    assert message_id is not None
    if row.told_by is not None and row.told_by > message_id:
        return False
    row.told_by = message_id
    return True


def _later_in_the_matter(event: Event, later: Event) -> bool:
    if event in REPORTS:
        return later in REPORTS
    if event is Event.ORDER_CANCELLED:
        # A change that came in between, from a sender that did not know yet, does not revive the order.
        return later in _ENDS
    if event in CONTENT:
        return later in _ENDS or later in CONTENT - ({Event.ORDER_RECEIVED} - {event})
    return later not in _OTHER_MATTERS


def _said_already(event: Event, said: Event) -> bool:
    # Content and reports are compared with what is stored: a mapping that was mended changes them.
    return said is event and event not in CONTENT and event not in REPORTS


def _told(session: Session, order_key: str) -> list[tuple[Event, int]]:
    """What messages have brought to the order, and which of them."""
    query = select(OrderEvent.event, OrderEvent.source).where(
        OrderEvent.order_key == order_key, col(OrderEvent.source).startswith(_SOURCE)
    )
    return [(Event(event), int(source.removeprefix(_SOURCE))) for event, source in session.exec(query)]

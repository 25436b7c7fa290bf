"""Whether a message still has something to say: the rule that makes every replay and every delay safe.

A message changes an order only if no later message has spoken in the same matter (the order's content, its
control, its report). Which is later its sender says: MSH-7, among messages of one sender (MSH-3, MSH-4) that
tell it to the second; else it is the one that came later, by the message's id. What the order's log already
has from this very message is not recorded again.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from functools import cached_property

from sqlmodel import Session, col, select

from radflow.order import FINISHED, PATIENT_EVENTS, TRANSITIONS, Event
from radflow.store.tables import CatalogueEntry, Message, OrderEvent, PatientRow

_SOURCE = "message:"

REPORTS = frozenset({Event.PRELIMINARY_RECEIVED, Event.REPORT_RECEIVED, Event.REPORT_WITHDRAWN})
CONTENT = frozenset({Event.ORDER_RECEIVED, Event.ORDER_CHANGED})
_ENDS = frozenset(
    event for (before, event), after in TRANSITIONS.items() if after in FINISHED and before not in FINISHED
)
_HOLDS = frozenset({Event.ORDER_HELD, Event.ORDER_RELEASED})
_OTHER_MATTERS = REPORTS | PATIENT_EVENTS | {Event.ORDER_RECEIVED}
"""What supersedes no missed appointment."""


@dataclass(frozen=True)
class Sent:
    """When a message was sent, and when it came, as far as two of them can be compared."""

    id: int
    sender: str = ""
    """MSH-3 | MSH-4."""
    at: datetime | None = None
    """MSH-7; None where it does not tell the second, and of a message that is not there any more."""

    @classmethod
    def of(cls, message: Message) -> "Sent":
        """Of a message that is stored."""
        assert message.id is not None
        return cls(message.id, message.sender, message.sent_at)

    def is_after(self, other: "Sent") -> bool:
        """Whether it was sent later; where that is not told, whether it came later."""
        if self.sender == other.sender and self.at and other.at and self.at != other.at:
            return self.at > other.at
        return self.id > other.id


def source_of(message_id: int | None) -> str:
    """How the log names a message that has brought an event."""
    return f"{_SOURCE}{message_id}"


def superseded(session: Session, order_key: str, message: Message, event: Event) -> bool:
    """Whether the message must not record this event (any more), as the order's log tells.

    A message without any effect so far is judged alike: an old change that was in quarantine does not come
    on top of a newer one. Only a first placing that came later supersedes no change, cancellation or hold:
    then the message had overtaken its order, and has waited for it.

    Args:
        event: what the message would record; ORDER_RECEIVED when it places an order, new or known.
    """
    mine = Sent.of(message)
    return any(
        _said_already(event, said)
        if by.id == mine.id
        else by.is_after(mine) and _later_in_the_matter(event, said)
        for said, by in _told(session, order_key)
    )


def messages_of(session: Session, order_key: str, events: Collection[Event]) -> set[int]:
    """The ids of the messages that have brought these events to the order."""
    return {message_id for said, message_id in _brought(session, order_key) if said in events}


def sent(session: Session, message_ids: Collection[int]) -> dict[int, Sent]:
    """When these messages were sent; of one that is not there any more only its id is known."""
    query = select(Message.id, Message.sender, Message.sent_at).where(col(Message.id).in_(message_ids))
    known = {one[0]: Sent(*one) for one in session.exec(query)}
    return {message_id: known.get(message_id, Sent(message_id)) for message_id in message_ids}


class Word(StrEnum):
    """What a message still has to say of a row that messages tell of."""

    NEWEST = auto()
    OVERTAKEN = auto()
    """It was sent before the newest, and came after it: it says only what the newest does not."""
    SUPERSEDED = auto()
    """A newer one has come after it already."""


class Words:
    """Who has told of the rows of a transaction last."""

    def __init__(self, session: Session, rows: Iterable[PatientRow | CatalogueEntry]) -> None:
        self._session = session
        self._told_by = {row.told_by for row in rows if row.told_by is not None}

    @cached_property
    def _sent(self) -> dict[int, Sent]:
        # Asked for when a message tells of the rows: most who look for a patient tell nothing.
        return sent(self._session, self._told_by) if self._told_by else {}

    def take(self, row: PatientRow | CatalogueEntry, by: Sent) -> Word:
        """What the message has to say of the row; if it is the newest, the row is told by it from now on."""
        newest = None if row.told_by is None else self._sent[row.told_by]
        if newest and newest.is_after(by):
            return Word.OVERTAKEN if by.id > newest.id else Word.SUPERSEDED
        row.told_by = by.id
        self._sent[by.id] = by
        return Word.NEWEST


def _later_in_the_matter(event: Event, later: Event) -> bool:
    if event in REPORTS:
        return later in REPORTS
    if event is Event.ORDER_CANCELLED:
        # A change that came in between, from a sender that did not know yet, does not revive the order.
        return later in _ENDS
    if event in CONTENT:
        return later in _ENDS or later in CONTENT - ({Event.ORDER_RECEIVED} - {event})
    if event in _HOLDS:
        return later in _ENDS or later in _HOLDS
    return later not in _OTHER_MATTERS


def _said_already(event: Event, said: Event) -> bool:
    # Content and reports are compared with what is stored: a mapping that was mended changes them.
    return said is event and event not in CONTENT and event not in REPORTS


def _told(session: Session, order_key: str) -> list[tuple[Event, Sent]]:
    """What messages have brought to the order, and which of them."""
    brought = _brought(session, order_key)
    known = sent(session, {message_id for _, message_id in brought})
    return [(said, known[message_id]) for said, message_id in brought]


def _brought(session: Session, order_key: str) -> list[tuple[Event, int]]:
    query = select(OrderEvent.event, OrderEvent.source).where(
        OrderEvent.order_key == order_key, col(OrderEvent.source).startswith(_SOURCE)
    )
    return [(Event(event), int(source.removeprefix(_SOURCE))) for event, source in session.exec(query)]

"""What the intake knows of a message while it applies it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from radflow.settings import Site
from radflow.store.standing import source_of
from radflow.store.tables import Message

Said = TypeVar("Said", covariant=True)

SUPERSEDED = "A newer message has told of it already; this one has changed nothing."
UNKNOWN_ORDER = "No order is known by its numbers, or more than one; it is tried again when one is placed."


@dataclass(frozen=True)
class Taken(Generic[Said]):
    """A message that is taken in this transaction, and what it says."""

    message: Message
    site: Site
    said: Said
    sent_at: datetime
    """MSH-7, or else when it came."""

    @property
    def id(self) -> int:
        assert self.message.id is not None
        return self.message.id

    @property
    def source(self) -> str:
        """How an order's log names the message."""
        return source_of(self.message.id)


class OrderUnknown(LookupError):
    """The message speaks of an order that is not there yet."""

    def __init__(self, numbers: Collection[str]) -> None:
        """Wait for an order that bears one of these numbers."""
        super().__init__(UNKNOWN_ORDER)
        self.numbers = numbers

"""Connections that have not yet asked for an association: a port scan's, an attacker's, a modality's."""

import socket
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock


@dataclass(eq=False)
class Visitor:
    """A connection, from when it is accepted until it asks for an association or is gone."""

    connection: socket.socket
    address: str

    def turn_away(self) -> None:
        """End the connection, whoever waits for it."""
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # It is gone already.


@dataclass
class WaitingRoom:
    """Holds so many; when it is full, the oldest visitor of whoever sent most has to go.

    So connections that ask for nothing neither take the places of associations nor keep out who does ask.
    """

    places: int
    _visitors: list[Visitor] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def enter(self, visitor: Visitor) -> None:
        """Take a place, and make one where there is none."""
        with self._lock:
            self._visitors.append(visitor)
            leaving = self._one_too_many()
        if leaving:
            leaving.turn_away()

    def leave(self, visitor: Visitor) -> None:
        """Give up the place; twice is no error."""
        with self._lock:
            if visitor in self._visitors:
                self._visitors.remove(visitor)

    def __len__(self) -> int:
        return len(self._visitors)

    def _one_too_many(self) -> Visitor | None:
        if len(self._visitors) <= self.places:
            return None
        ((most, _),) = Counter(visitor.address for visitor in self._visitors).most_common(1)
        leaving = next(visitor for visitor in self._visitors if visitor.address == most)
        self._visitors.remove(leaving)
        return leaving

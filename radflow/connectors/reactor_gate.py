"""Mends a race in pynetdicom's client: the answer to a question belongs to who has asked.

A requestor's `Association` is a thread, its reactor, that takes whatever message comes, and `send_c_find` and
its like read the same queue. They stop the reactor before they ask, by clearing an event that it waits for;
yet it may have passed that event and not have looked at the queue so far. On a busy machine the answer is
there before it looks, and the reactor throws it away ("Received unexpected C-FIND service message"): a study
or a worklist entry that exists is not found, or the last response never comes.
"""

import threading
import time

from pynetdicom.association import Association

_LOOK_AGAIN_SECONDS = 0.0005


class ReactorGate(threading.Event):
    """The event that a reactor waits for; `clear` returns only when the reactor stands before it."""

    def __init__(self, reactor: threading.Thread) -> None:
        super().__init__()
        self._reactor = reactor
        self._passing = threading.Lock()
        self._stands_here = False
        self.set()

    def clear(self) -> None:
        """Stop the reactor, and see that it has stopped."""
        with self._passing:
            super().clear()
        while self._runs_elsewhere() and not self.is_set():
            time.sleep(_LOOK_AGAIN_SECONDS)

    def wait(self, timeout: float | None = None) -> bool:
        """Called by the reactor alone, without a timeout: until the gate is open, and it has gone through."""
        self._stands_here = True
        while True:
            super().wait(timeout)
            with self._passing:
                if self.is_set():
                    self._stands_here = False
                    return True

    def _runs_elsewhere(self) -> bool:
        other = self._reactor.is_alive() and threading.current_thread() is not self._reactor
        return other and not self._stands_here


def release(association: Association) -> None:
    """Release an association whose reactor has a gate (PS3.8 §7.2).

    As `Association.release`, but for its wait for a flag that says whether the reactor is paused: the
    thread in which pynetdicom serves an N-EVENT-REPORT resets it when it is done, and the wait has no end.
    """
    if association.is_established:
        association._reactor_checkpoint.clear()
        association.acse.negotiate_release()
        association._reactor_checkpoint.set()

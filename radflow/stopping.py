"""Being told to stop, by SIGTERM or SIGINT."""

import signal
import time


class Stop:
    """A flag that the signals set.

    No threading.Event: its lock is not re-entrant, and a handler that runs while the main thread holds it
    (or a second signal while the first is handled) would stand still for ever.
    """

    def __init__(self) -> None:
        self.told = False

    def on_signals(self) -> "Stop":
        """Be set by SIGTERM and SIGINT from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._tell())
        return self

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until told; whether it was told."""
        until = time.monotonic() + seconds
        while not self.told and (left := until - time.monotonic()) > 0:
            time.sleep(min(0.1, left))
        return self.told

    def _tell(self) -> None:
        self.told = True

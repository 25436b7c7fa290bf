"""What becomes of the leg that runs when its worker stops or dies."""

import os
import signal
import time

LAST_LEG_SECONDS = 10
"""In which it may come to its end."""
LAST_WORD_SECONDS = 4
"""In which it may tell Prefect that it has not."""


def end_soon() -> None:
    """Let the main thread come to its end, or end it: Prefect's engine reports a SIGTERM as a crash."""
    time.sleep(LAST_LEG_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_WORD_SECONDS)
    os._exit(1)

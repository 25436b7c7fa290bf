"""`python -m radflow.prefect_server …`: Prefect's server, with its garbage collected beside its event loop.

Takes the arguments of the `prefect` command. On SQLite, Python's collector may come upon a forgotten cursor
while it runs in the event loop, and then waits for the cursor's connection. If that connection waits for
the database's write lock, and the lock's holder for the event loop, all of Prefect stands still until
SQLite gives up after its 60 seconds. In a thread of its own the collector waits alone.
"""

import gc
import threading
import time

from prefect.cli import app

YOUNG_EVERY = 1.0
"""Seconds between two collections of the younger generations."""
ALL_EVERY = 60
"""Every so many of them, the oldest generation too: it takes some tenths of a second."""


def collect_beside() -> None:
    """Turn automatic collection off, and start the thread that does it instead."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    rounds = 0
    while True:
        time.sleep(YOUNG_EVERY)
        rounds += 1
        gc.collect(2 if rounds % ALL_EVERY == 0 else 1)


if __name__ == "__main__":
    collect_beside()
    app()

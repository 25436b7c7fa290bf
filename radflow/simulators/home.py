"""A home of its own for this process: nothing that a simulation or a bench does is seen outside of it."""

import os
from pathlib import Path

from radflow.logs import set_up_logging
from radflow.settings import settings
from radflow.store.engine import store


def at_home_in(folder: Path) -> None:
    """From now on settings, sites and store of this process, and of those it starts, are in the folder."""
    for name in [name for name in os.environ if name.startswith("RADFLOW_")]:
        del os.environ[name]
    os.environ |= {
        "RADFLOW_HOME": str(folder),
        "RADFLOW_SITES_DIR": str(folder / "sites"),
        "RADFLOW_LOG_LEVEL": "ERROR",
    }
    settings.cache_clear()
    store.cache_clear()
    set_up_logging()

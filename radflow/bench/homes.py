"""A home for a site that is measured: its file, and the store that flows and tasks open by their settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from radflow.simulators.home import at_home_in
from radflow.store.engine import Store, store

SITE = "bench"


@contextmanager
def home(folder: Path, site_file: str = "") -> Iterator[Store]:
    """The store of a site named `bench`, whose file says this; the settings of this process are its own."""
    sites = folder / "sites"
    sites.mkdir(parents=True, exist_ok=True)
    (sites / f"{SITE}.toml").write_text(site_file)
    at_home_in(folder)
    opened = store()
    try:
        yield opened
    finally:
        opened.close()
        store.cache_clear()

"""Empty stores to measure with: SQLite in a folder, PostgreSQL in a server that is there or is started."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from sqlalchemy.engine import make_url

from radflow.bench.registry import Place
from radflow.simulators.postgresql import find_postgresql, running_postgresql
from radflow.store.engine import Store


@contextmanager
def sqlite(place: Place) -> Iterator[Store]:
    """A new SQLite store, as durable as radflow's own."""
    with _migrated(f"sqlite:///{place.folder / uuid4().hex}.db") as store:
        yield store


@contextmanager
def postgresql(place: Place) -> Iterator[Store | None]:
    """A new PostgreSQL store, durable (fsync); None, said aloud, where there is no server."""
    if place.postgres_url:
        with _database(place.postgres_url) as url, _migrated(url) as store:
            yield store
    elif bin_dir := find_postgresql():
        with (
            running_postgresql(bin_dir, durable=True) as server,
            _database(server) as url,
            _migrated(url) as store,
        ):
            yield store
    else:
        place.say("PostgreSQL is left out: apt install postgresql, or give --postgres-url")
        yield None


@contextmanager
def _migrated(url: str) -> Iterator[Store]:
    store = Store(url)
    try:
        store.migrate()
        yield store
    finally:
        store.close()


@contextmanager
def _database(server: str) -> Iterator[str]:
    """URL of a database of our own in this server."""
    name = f"radflow_bench_{uuid4().hex[:12]}"
    _execute(server, f"CREATE DATABASE {name}")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(server: str, statement: str) -> None:
    url = make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())

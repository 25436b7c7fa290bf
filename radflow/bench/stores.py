"""Empty stores to measure with: SQLite in a folder, PostgreSQL in a server that is there or is started."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from sqlalchemy.engine import make_url

from radflow.bench.registry import Place
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
    elif bin_dir := _postgres_bin():
        with _server(bin_dir) as server, _database(server) as url, _migrated(url) as store:
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


@contextmanager
def _server(bin_dir: Path) -> Iterator[str]:
    """URL of a PostgreSQL server on a Unix socket, gone at the end."""
    # Short, not in the bench's folder: a Unix socket's path holds 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="rf-pg-"))
    as_user = []
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root; Debian's package brings the user.
        shutil.chown(folder, "postgres", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

    def run(*command: str | Path) -> None:
        subprocess.run([*as_user, *command], check=True, capture_output=True, cwd=folder)

    data = folder / "data"
    try:
        run(bin_dir / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8")
        options = f"-c listen_addresses='' -k {folder} -c max_connections=200"
        run(bin_dir / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            run(bin_dir / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_bin() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    on_path = shutil.which("initdb")
    return found[0].parent if found else Path(on_path).parent if on_path else None

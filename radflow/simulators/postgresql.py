"""A PostgreSQL server for a bench or the tests, gone at the end."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def find_postgresql() -> Path | None:
    """The folder of the server's programs, where it is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    on_path = shutil.which("initdb")
    return found[0].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def running_postgresql(bin_dir: Path, *, durable: bool) -> Iterator[str]:
    """URL of the database `postgres` of a new server, on a Unix socket.

    Args:
        bin_dir: its programs, as `find_postgresql` finds them.
        durable: whether a commit is on the disk when it returns (fsync).
    """
    # Short, in no one's folder: a Unix socket's path holds 107 bytes at most.
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
        options += "" if durable else " -c fsync=off"
        run(bin_dir / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            run(bin_dir / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)

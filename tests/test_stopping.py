"""Stopping on SIGTERM."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.parametrize("service", ["dispatch", "worklist", "listen"])
def test_a_service_stops_cleanly_even_when_told_twice(tmp_path: Path, service: str) -> None:
    """A supervisor and a shell may both send SIGTERM: the service ends with 0."""
    sites = tmp_path / "sites"
    sites.mkdir()
    (sites / "main.toml").write_text("[listener]\nport = 0\n[worklist]\nport = 0\n")
    environment = {**os.environ, "RADFLOW_HOME": str(tmp_path), "RADFLOW_SITES_DIR": str(sites),
                   "PREFECT_API_URL": "http://127.0.0.1:9/api"}  # fmt: skip
    command = [sys.executable, "-m", "radflow", service]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("started" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        time.sleep(0)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0

"""The first command on a new machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("what", [("messages", "search"), ("orders", "list")])
def test_a_fresh_installation_lists_nothing(tmp_path: Path, what: tuple[str, str]) -> None:
    """The embedded store is made where it is first asked for."""
    environment = {**os.environ, "RADFLOW_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "radflow", *what, "--json"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert answer.stdout == "[]\n"

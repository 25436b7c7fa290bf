"""`radflow deploy`: what it says when it cannot."""

import os
import subprocess
import sys

import pytest

from radflow.settings import LOOPBACK
from radflow.simulators.ports import free_port


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Prefect's server does not answer (ConnectError): is PREFECT_API_URL right?"),
        (("--pool-type", "nonsense"), "Prefect has no work pools of type 'nonsense'"),
    ],
)
def test_what_stops_it_is_a_sentence(arguments: tuple[str, ...], says: str) -> None:
    """Nobody listens at PREFECT_API_URL."""
    nowhere = {**os.environ, "PREFECT_API_URL": f"http://{LOOPBACK}:{free_port()}/api"}
    command = [sys.executable, "-m", "radflow", "deploy", *arguments]
    done = subprocess.run(command, env=nowhere, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(says)
    assert len(done.stderr.splitlines()) == 1

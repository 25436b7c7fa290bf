"""Tell Prefect of the work pool and of the deployments in prefect.yaml."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parent.parent
POOL = "radflow"


def deploy(pool_type: str = "radflow") -> None:
    """Make the work pool where there is none, and apply prefect.yaml; a repeat changes nothing.

    Raises:
        CalledProcessError: Prefect has refused; its own words are in the error's output.
    """
    pools = _prefect("work-pool", "ls", "--output", "json")
    if f'"{POOL}"' not in pools:
        _prefect("work-pool", "create", POOL, "--type", pool_type)
    _prefect("deploy", "--all")


def _prefect(*arguments: str) -> str:
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    done = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    return done.stdout

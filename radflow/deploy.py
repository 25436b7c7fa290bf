"""Tell Prefect of the work pool and of the deployments in prefect.yaml."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.schedules import IntervalSchedule

PROJECT = Path(__file__).parent.parent
POOL = "radflow"
SWEEP_DEPLOYMENT = "sweep/radflow"


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


def sweep_every(seconds: float) -> None:
    """Let the sweep run this often; prefect.yaml says once a minute."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(SWEEP_DEPLOYMENT)
        for schedule in deployment.schedules:
            interval = IntervalSchedule(interval=timedelta(seconds=seconds))
            client.update_deployment_schedule(deployment.id, schedule.id, schedule=interval)

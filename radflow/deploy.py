"""Tell Prefect of the work pool and of the deployments in prefect.yaml.

`python -m radflow.deploy` is `prefect deploy --all` with a start of its own: it imports Prefect and the
flows, which takes some seconds, and then waits for a line of standard input. So it can be started while
Prefect's server is starting too.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleUpdate, DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

from radflow.connectors.errors import Refused
from radflow.connectors.orchestrator import reached
from radflow.settings import ConfigError

PROJECT = Path(__file__).parent.parent
POOL = "radflow"
SWEEP_DEPLOYMENT = "sweep/radflow"
_WORDS = 2_000
"""Characters of what Prefect says that are shown: its reason stands at the end."""


def deploy(pool_type: str = "radflow") -> None:
    """Make the work pool where there is none, and apply prefect.yaml; a repeat changes nothing.

    Raises:
        ConfigError: Prefect has no work pools of this type.
        OrchestratorUnavailable: its server does not answer.
        Refused: it does not take prefect.yaml; its own words are in the error.
    """
    make_pool(pool_type)
    with deployer() as apply:
        apply()


def make_pool(pool_type: str = "radflow") -> None:
    """Make the work pool where there is none.

    Raises:
        ConfigError: Prefect has no pools of this type.
        OrchestratorUnavailable: its server does not answer.
    """
    form = asyncio.run(get_default_base_job_template_for_infrastructure_type(pool_type))
    if form is None:
        raise ConfigError(
            f"Prefect has no work pools of type {pool_type!r}: install the package that has it."
        )
    with reached(), get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=POOL, type=pool_type, base_job_template=form))


@contextmanager
def deployer() -> Iterator[Callable[[], None]]:
    """Yields what applies prefect.yaml, by a process that prepares itself meanwhile; raises as `deploy`."""
    command = [sys.executable, "-m", "radflow.deploy"]
    with subprocess.Popen(
        command, cwd=PROJECT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip

        def apply() -> None:
            said, _ = process.communicate("go\n")
            if process.returncode:
                raise Refused(f"Prefect does not take prefect.yaml: {said.strip()[-_WORDS:]}")

        # Left without a word, its standard input ends, and it with it.
        yield apply


def sweep_every(seconds: float) -> None:
    """Let the sweep run this often; prefect.yaml says once a minute."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(SWEEP_DEPLOYMENT)
        interval = IntervalSchedule(interval=timedelta(seconds=seconds))
        schedules = [
            DeploymentScheduleUpdate(slug=schedule.slug, schedule=interval)
            for schedule in deployment.schedules
        ]
        # As a change of the deployment: a change of its schedule alone is scheduled only within a minute.
        client.update_deployment(deployment.id, DeploymentUpdate(schedules=schedules))


def main() -> None:
    """Be `prefect deploy --all` when told so; end where nobody tells."""
    from prefect.cli import app

    for module in iter_modules([str(PROJECT / "flows")], prefix="flows."):
        import_module(module.name)
    if sys.stdin.readline():
        sys.argv = ["prefect", "--no-prompt", "deploy", "--all"]
        app()


if __name__ == "__main__":
    main()

"""On what the tasks of a backfill run."""

from typing import Any

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from radflow.settings import settings
from radflow.settings.base import LOOPBACK, ConfigError


def task_runner(concurrency: int) -> TaskRunner[Any]:
    """Threads of this process, or Dask: the cluster of RADFLOW_DASK_ADDRESS, or processes on this machine.

    Raises:
        ConfigError: Dask is wanted and not installed.
    """
    if settings().task_runner == "threads":
        return ThreadPoolTaskRunner(max_workers=concurrency)
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError:
        raise ConfigError('RADFLOW_TASK_RUNNER=dask needs `pip install "radflow[dask]"`.') from None
    if settings().dask_address:
        return DaskTaskRunner(address=settings().dask_address)
    cluster = {
        "n_workers": concurrency,
        "threads_per_worker": 1,
        "host": LOOPBACK,
        # Its web page would listen on every address.
        "dashboard_address": None,
    }
    return DaskTaskRunner(cluster_kwargs=cluster)

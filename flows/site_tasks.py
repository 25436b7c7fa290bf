"""Python functions of a site's own (`[[tasks]]` of its file) as steps of an order's life."""

import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from radflow.connectors.errors import Refused
from radflow.order import State
from radflow.settings import DimseArchive, settings
from radflow.settings.rules import SiteTask
from tasks.commit_storage import commit_storage
from tasks.waiting import Waiting

_IMAGES_ARE_THERE = frozenset({State.ACQUIRED, State.REPORTED})
"""When their archive is asked to commit them; a preliminary report comes back to the first of the two."""

Step = Callable[[str], dict[str, Any] | Waiting]
"""A task: takes the order's key, has one effect outside, returns what to note in the order's log."""


def own_steps(site: str, state: State) -> tuple[Step, ...]:
    """What the site wants done in this state: its tasks in the order of its file, then storage commitment."""
    known = settings().sites.get(site)
    if known is None:
        return ()
    steps: list[Step] = [_step(site, one) for one in known.tasks if one.when is state]
    if state in _IMAGES_ARE_THERE and any(
        isinstance(one, DimseArchive) and one.storage_commitment for one in known.archives
    ):
        steps.append(commit_storage)
    return tuple(steps)


@cache
def _step(site: str, own: SiteTask) -> Step:
    @task(name=f"{site}.{own.step}", cache_policy=NO_CACHE)
    def do(order_key: str) -> dict[str, Any]:
        """Call the function; what it notes is to be free of patient data."""
        noted = _function(own.function)(order_key)
        if noted is not None and not isinstance(noted, dict):
            raise Refused(f"{own.function} returns {type(noted).__name__}; a dict or None is wanted")
        return noted or {}

    return do


def _function(name: str) -> Callable[[str], Any]:
    """The function, imported when it is due: a mistake in it parks its order, and stops no other."""
    try:
        found: Callable[[str], Any] = pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        raise Refused(f"{name} is not to be found: `radflow check-config` says why") from None
    return found

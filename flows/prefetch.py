"""Prefetching as a step of an order's life, at sites that have rules for it."""

from flows.site_tasks import Step
from radflow.order import State
from radflow.settings import settings
from tasks.prefetch import prefetch_priors


def prefetch_steps(site: str, state: State) -> tuple[Step, ...]:
    """Once the order is on the worklist; an archive that is away holds up nothing but this."""
    known = settings().sites.get(site)
    wanted = known is not None and known.prefetch and state is State.WORKLISTED
    return (prefetch_priors,) if wanted else ()

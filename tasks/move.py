"""Move what waits at a site, and ask for what its routes want moved."""

from collections.abc import Callable
from datetime import timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from radflow.clock import utc_now
from radflow.settings import Site, settings
from radflow.store import transfers
from radflow.store.engine import Store, store
from tasks.moving import Mover

AT_MOST = timedelta(minutes=10)
"""How long one run goes on to take up studies: a worker's place is not to be taken for days."""


@task(name="queue_routed_studies", cache_policy=NO_CACHE)
def queue_routed_studies(site_name: str) -> int:
    """Ask for every study that an image route wants and that was never asked for; returns how many."""
    site, added = settings().site(site_name), 0
    for route in site.image_routes:
        with store().write() as session:
            found = transfers.found_not_moved(session, site.name, route.source, route.target)
            wanted = [
                study.study_instance_uid
                for study in found
                if not route.modalities or set(route.modalities) & set(study.modalities)
            ]
            added += transfers.add(
                session,
                site.name,
                wanted,
                source=route.source,
                target=route.target,
                why="route",
                now=utc_now(),
            )
    return added


@task(name="move_studies", cache_policy=NO_CACHE)
def move_studies(site_name: str, report: Callable[[float], None] = lambda _: None) -> dict[str, int]:
    """Move the site's studies; returns how many are in each state now.

    Args:
        report: is told now and then how much of what was waiting at first is done, in percent.
    """
    site, until = settings().site(site_name), utc_now() + AT_MOST
    at_first = waiting(site_name)
    mover_of(site, store(), stopped=lambda: utc_now() >= until).run(
        lambda: report(100 * (1 - waiting(site_name) / max(at_first, 1)))
    )
    return states(site_name)


def mover_of(site: Site, of: Store, stopped: Callable[[], bool] = lambda: False) -> Mover:
    """A mover of the site, with its folder under RADFLOW_HOME."""
    return Mover(site, of, settings().home.resolve() / "moving", stopped=stopped)


def states(site_name: str) -> dict[str, int]:
    """State → how many studies of the site."""
    counts = dict.fromkeys(map(str, transfers.TransferState), 0)
    with store().read() as session:
        for (_, _, state), count in transfers.summary(session, site_name).items():
            counts[state] += count
    return counts


def waiting(site_name: str) -> int:
    """How many studies of the site are still to be moved."""
    return states(site_name)[transfers.TransferState.WAITING]

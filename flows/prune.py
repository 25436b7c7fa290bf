"""Pruning, once a day: what a site need not keep any longer is removed; a failure is seen in the run."""

from prefect import flow

from radflow.settings import settings
from radflow.store.retention import PruneFailed
from tasks.prune import prune_messages


class PruningIncomplete(RuntimeError):
    """Not every site could be pruned; the text says which, how far it came and why, free of patient data."""


@flow(name="prune", persist_result=False)
def prune(site: str = "") -> dict[str, dict[str, int]]:
    """Prune every site; returns how many messages of each have gone.

    Args:
        site: the site to prune; empty for all.

    Raises:
        PruningIncomplete: a site could not be pruned. The others are, and tomorrow's run goes on from there.
    """
    done: dict[str, dict[str, int]] = {}
    failures: list[str] = []
    for name in settings().sites:
        if site in ("", name):
            try:
                done[name] = prune_messages(name)
            except PruneFailed as failure:
                failures.append(str(failure))
    if failures:
        raise PruningIncomplete(" ".join(failures))
    return done

"""Looking up what an archive has told of, at once; the same as a sweep does, for fewer studies."""

from collections.abc import Sequence
from datetime import datetime

from radflow.settings import Site
from radflow.store.engine import Store
from radflow.store.performed_steps import completed
from tasks.finding import archives_in_turn, search, search_for


def look_up(
    store: Store,
    site: Site,
    uids: Sequence[str] | None,
    now: datetime,
) -> list[str]:
    """Ask the archives for these studies, or for whatever is waited for; the dispatcher wakes the orders.

    Args:
        uids: Study Instance UIDs; None for all that is waited for.

    Returns:
        What is to be logged: an archive that has begun to fail, or answers again.
    """
    news: list[str] = []
    shown: list[str] = []
    for archive in archives_in_turn(store, site, now):
        if uids is None:
            searched = search(store, site, archive, now, completed, shown)
        else:
            searched = search_for(store, site, archive, now, completed, uids)
        shown += searched.shown
        news += [searched.news] if searched.news else []
        if uids is not None and searched.shown and site.finding.found_in == "first":
            break
    return news

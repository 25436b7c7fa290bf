"""The sweep: every archive of a site is asked once for all the images that are waited for."""

from collections.abc import Callable, Sequence

from prefect import flow

from flows.overtaken import overtaken
from radflow.clock import utc_now
from radflow.connectors.orchestrator import PrefectOrchestrator, PrefectQuestions
from radflow.settings import settings
from radflow.store.engine import store
from tasks.finding import archives_in_turn
from tasks.look import Searched
from tasks.reconcile import keep_up_questions
from tasks.sweep import search_archive
from tasks.wake import wake_orders


@flow(name="sweep", persist_result=False)
def sweep(site: str = "") -> int:
    """Find images and wake the orders they belong to; returns how many have got images, or other ones.

    Args:
        site: the site to sweep; empty for all.
    """
    if overtaken():
        return 0
    found = ask_archives(search_archive, site)
    # The dispatcher has woken them already; if it is down, or a wake-up was lost, this does.
    wake_orders(store(), PrefectOrchestrator(), utc_now())
    keep_up_questions(store(), PrefectQuestions(), utc_now())
    return len(found)


def ask_archives(search: Callable[[str, str, Sequence[str]], Searched], site: str = "") -> set[str]:
    """Ask each archive of the site, or of all, in turn; the orders that have got images, or other ones.

    Args:
        search: `search_archive`, as a task of a run or as a mere function.
    """
    found: set[str] = set()
    for name, its in settings().sites.items():
        shown: list[str] = []
        for archive in archives_in_turn(store(), its, utc_now()) if site in ("", name) else ():
            searched = search(name, archive, shown)
            shown += searched.shown
            found.update(searched.found)
    return found

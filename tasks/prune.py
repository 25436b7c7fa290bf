"""Remove what a site need not keep any longer."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from radflow.clock import utc_now
from radflow.settings import settings
from radflow.store import retention
from radflow.store.engine import store


@task(name="prune_messages", cache_policy=NO_CACHE)
def prune_messages(site_name: str) -> dict[str, int]:
    """Prune as `[retention]` of the site says; returns how many messages have gone.

    Raises:
        PruneFailed: the store has refused; what has gone before is gone.
    """
    kept = settings().site(site_name).retention
    done = retention.prune(
        store(), site_name, messages_days=kept.messages_days, outbox_days=kept.outbox_days, now=utc_now()
    )
    return {"messages": done.messages, "outbox": done.outbox}

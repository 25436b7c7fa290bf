"""Overdue orders, once a minute: noted in their logs, shown in the Prefect UI, told to ops once."""

from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.blocks import notifications  # noqa: F401 (loading a block finds only the kinds that are imported)
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.events import emit_event
from sqlmodel import col, select

from flows.timeline import tags_with
from radflow.clock import utc_now
from radflow.settings import ConfigError, settings
from radflow.store import overdue
from radflow.store.engine import store
from radflow.store.overdue import News
from radflow.store.tables import OrderRow
from tasks.overdue import body, by_block, look_at_limits, news_to_tell, subject

KEY = "overdue"
_RUNS_AT_ONCE = 200
"""As many as Prefect gives at once."""


@flow(name="overdue", persist_result=False)
def watch_limits() -> int:
    """Look which orders have been in a stage for too long; returns of how many that is news."""
    noted = note_overdue()
    if noted:
        tag_runs(noted)
    if tell_ops() or noted:
        show_overdue()
    return len(noted)


@task(name="note_overdue", cache_policy=NO_CACHE, persist_result=False)
def note_overdue() -> list[str]:
    """Note begin, end and expiry in the orders' logs; returns their keys."""
    return look_at_limits(store(), settings().sites, utc_now())


@task(name="tag_runs", cache_policy=NO_CACHE, persist_result=False, retries=3, retry_delay_seconds=5)
def tag_runs(keys: list[str]) -> None:
    """Bring the tags of these orders' runs up to date, as a leg does when it rests."""
    for start in range(0, len(keys), _RUNS_AT_ONCE):
        with store().read() as session:
            query = select(OrderRow).where(col(OrderRow.key).in_(keys[start : start + _RUNS_AT_ONCE]))
            rows = {row.run_id: row for row in session.exec(query) if row.run_id}
        chosen = FlowRunFilter(id=FlowRunFilterId(any_=list(rows)))
        with get_client(sync_client=True) as client:
            for run in client.read_flow_runs(flow_run_filter=chosen, limit=_RUNS_AT_ONCE) if rows else ():
                tags = tags_with(run.tags, rows[str(run.id)])
                if set(tags) != set(run.tags):
                    client.update_flow_run(run.id, tags=tags)


@task(name="tell_ops", cache_policy=NO_CACHE, persist_result=False)
def tell_ops() -> int:
    """Say what is new about overdue orders, one message a block; returns how many things that were.

    Told is noted after it was told: a run that is cut off in between tells it twice.
    """
    sites, now = settings().sites, utc_now()
    with store().read() as session:
        some = news_to_tell(session, sites, now)
    for block, its in by_block(some, sites).items():
        if block:
            _notify(block, its)
        with store().write() as session:
            overdue.told(session, its, now)
        for one in its:
            _emit(one)
    return len(some)


def _notify(block: str, some: list[News]) -> None:
    """Send one message.

    Raises:
        ConfigError: the block is of a kind that does not notify.
        Exception: the block's own, when the message is not taken.
    """
    loaded = Block.load(block)
    if not isinstance(loaded, NotificationBlock):
        raise ConfigError(f"[notify] block: Prefect's block {block!r} is none that notifies.")
    with loaded.raise_on_failure():
        # Outside of an event loop it is synchronous, whatever its type says.
        send: Any = loaded.notify
        send(body(some), subject(some))


def _emit(one: News) -> None:
    """A Prefect event, for automations: `radflow.overdue.began`, `.grew`, `.ended`."""
    emit_event(
        f"radflow.overdue.{one.kind}",
        resource={
            "prefect.resource.id": f"radflow.overdue.{one.late.site}.{one.late.stage}",
            "radflow.site": one.late.site,
            "radflow.stage": one.late.stage,
        },
        payload={"orders": one.late.orders, "modalities": dict(one.late.modalities), "text": body([one])},
    )


@task(name="show_overdue", cache_policy=NO_CACHE, persist_result=False)
def show_overdue() -> None:
    """Bring the table of overdue orders up to date."""
    with store().read() as session:
        rows: list[dict[str, Any]] = [
            {
                "site": one.site, "waits for": one.stage, "modality": modality, "orders": count,
                "first since (UTC)": f"{one.since:%Y-%m-%d %H:%M}",
            }
            for one in overdue.late(session)
            for modality, count in one.modalities.items()
        ]  # fmt: skip
    create_table_artifact(rows, key=KEY, description="Overdue orders, by site and by what they wait for")

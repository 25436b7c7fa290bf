"""What ops see of an order in the Prefect UI: tags by which to filter, and a timeline."""

from collections.abc import Iterable, Sequence

from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext

from radflow.store import orders
from radflow.store.engine import store
from radflow.store.tables import OrderEvent, OrderRow
from tasks.wake import tags_of

_OURS = {"site", "modality", "stage", "attention", "overdue"}


def show(order_key: str) -> None:
    """Bring the run's tags and its timeline artifact up to date."""
    with store().read() as session:
        row = session.get_one(OrderRow, order_key)
        events = orders.events_of(session, order_key)
    _tag(row)
    create_markdown_artifact(
        key=f"timeline-{order_key}", markdown=timeline(row, events), description=f"{order_key}: {row.state}"
    )


def _tag(row: OrderRow) -> None:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    tags = tags_with(context.flow_run.tags, row)
    if set(context.flow_run.tags) != set(tags):
        with get_client(sync_client=True) as client:
            client.update_flow_run(context.flow_run.id, tags=tags)


def tags_with(tags: Iterable[str], row: OrderRow) -> list[str]:
    """The tags of a run, of which ours say how its order is now; others are left alone."""
    kept = [tag for tag in tags if tag.partition(":")[0] not in _OURS]
    return [*kept, *tags_of(row)]


def timeline(row: OrderRow, events: Sequence[OrderEvent]) -> str:
    """The order's log as a Markdown table, free of patient data."""
    lines = [f"# {row.key}", "", f"**{row.state}**{f' – {row.trouble}' if row.trouble else ''}", ""]
    lines += ["| UTC | event | step | by |", "|---|---|---|---|"]
    lines += [
        f"| {e.occurred_at:%Y-%m-%d %H:%M:%S} | {e.event} | {e.step or ''} | {e.source} |" for e in events
    ]
    return "\n".join(lines)

"""The routing flow: studies that a route, a prefetch or a person wants in another archive are moved there."""

from collections.abc import Sequence
from typing import Any

from prefect import flow
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)

from flows.overtaken import overtaken
from radflow.settings import settings
from radflow.store import transfers
from radflow.store.engine import store
from radflow.store.transfers import TransferState
from tasks.move import move_studies, queue_routed_studies, waiting

_SHOWN = 50
"""Failed studies that the artifact lists."""


@flow(name="route", persist_result=False)
def route(site: str = "") -> dict[str, dict[str, int]]:
    """Move what waits; returns for each site how many studies are in which state.

    Args:
        site: the site whose studies are moved; empty for all.
    """
    done: dict[str, dict[str, int]] = {}
    if overtaken():
        return done
    for name, its in settings().sites.items():
        if site not in ("", name):
            continue
        if its.image_routes:
            queue_routed_studies(name)
        if waiting(name):
            done[name] = _move(name)
    return done


def _move(site: str) -> dict[str, int]:
    progress = create_progress_artifact(0.0, key=f"moving-{site}", description=f"Studies moved at {site}")

    def report(percent: float) -> None:
        update_progress_artifact(progress, max(0.0, min(100.0, percent)))  # type: ignore[arg-type]

    counts = move_studies(site, report)
    report(100 * (1 - counts[TransferState.WAITING] / max(sum(counts.values()), 1)))
    create_markdown_artifact(
        key=f"moved-{site}", markdown=_summary(site), description=f"Studies moved at {site}"
    )
    return counts


def _summary(site: str) -> str:
    with store().read() as session:
        counts = transfers.summary(session, site)
        failed = transfers.recent(session, site, [TransferState.FAILED], _SHOWN)
    lines = [f"# {site}", "", "| from | to | waiting | done | failed |", "|---|---|---|---|---|"]
    for source, target in sorted({(source, target) for source, target, _ in counts}):
        cells = [str(counts.get((source, target, state), 0)) for state in TransferState]
        lines.append(f"| {' | '.join([source, target, *cells])} |")
    if failed:
        lines += ["", "| transfer | from | to | why it is not there |", "|---|---|---|---|"]
        lines += [_row([row.id, row.source, row.target, row.trouble]) for row in failed]
    return "\n".join(lines)


def _row(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"

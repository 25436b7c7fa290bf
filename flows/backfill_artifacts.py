"""What is seen of a backfill in the Prefect UI: how far it is, and what has come of it."""

from uuid import UUID

from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact

from radflow.store import backfills
from radflow.store.backfills import ItemOutcome
from radflow.store.engine import store

SHOWN = 500
"""Items that the table lists: those that have failed first, then the changed and the skipped."""


class Progress:
    """The share of items that are done, as a progress artifact."""

    def __init__(self, backfill_id: int, kind: str) -> None:
        self._backfill_id = backfill_id
        made = create_progress_artifact(
            self._percent(), key=f"backfill-{backfill_id}-progress", description=f"{kind} {backfill_id}"
        )
        assert isinstance(made, UUID)
        self._artifact = made

    def show(self) -> None:
        update_progress_artifact(self._artifact, self._percent())

    def _percent(self) -> float:
        with store().read() as session:
            counts = backfills.counts(session, self._backfill_id)
        return 100 * (1 - counts[ItemOutcome.PENDING] / max(1, counts.total()))


def show_result(backfill_id: int, kind: str, counts: dict[str, int]) -> None:
    """A table: a row for each outcome, then the items that a person may want to look at."""
    table = [
        {"item": "", "outcome": outcome, "count": count, "detail": ""} for outcome, count in counts.items()
    ]
    with store().read() as session:
        for state in (ItemOutcome.FAILED, ItemOutcome.CHANGED, ItemOutcome.SKIPPED):
            for row in backfills.items(session, backfill_id, {state}, SHOWN - len(table)):
                detail = "; ".join(detail_lines(row.detail))
                table.append({"item": row.item, "outcome": row.state, "count": 1, "detail": detail})
    create_table_artifact(table, key=f"backfill-{backfill_id}", description=f"{kind} {backfill_id}")


def detail_lines(detail: dict[str, object]) -> list[str]:
    """What became of an item, in words."""
    differences = detail.get("differences")
    if isinstance(differences, list):
        return [
            f"{field}: {before or '(none)'} → {after or '(none)'}" for field, before, after in differences
        ]
    return [f"{name}: {value}" for name, value in detail.items()]

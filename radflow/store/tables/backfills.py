"""Work on what is there already."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from radflow.store.tables.columns import json_column, time_column


class Backfill(SQLModel, table=True):
    """Work on what is there already, item by item; one that was cut off is continued."""

    __tablename__ = "backfills"
    __table_args__ = (Index("ix_backfills_kind_state", "kind", "state"),)

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    """Name of its flow."""
    parameters: dict[str, Any] = json_column()
    """What it works on; not how: another concurrency is the same backfill."""
    state: str
    """One of `BackfillState`."""
    planned: str = ""
    """The last item that was planned; the rest of the plan goes on from there."""
    created_at: datetime = time_column()
    finished_at: datetime | None = time_column(nullable=True)
    leased_by: str = ""
    leased_until: datetime | None = time_column(nullable=True)
    """Until when its run may be believed alive."""


class BackfillItem(SQLModel, table=True):
    """One piece of a backfill: an order, or a day."""

    __tablename__ = "backfill_items"
    __table_args__ = (
        UniqueConstraint("backfill_id", "item"),
        Index("ix_backfill_items_state", "backfill_id", "state", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    backfill_id: int = Field(foreign_key="backfills.id", ondelete="CASCADE")
    item: str
    """An order's key, or `site/day`."""
    state: str
    """One of `ItemOutcome`."""
    detail: dict[str, Any] = json_column()
    """What became of it, in numbers and words free of patient data."""

"""Studies on their way from one archive to another."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from radflow.store.tables.columns import time_column


class TransferRow(SQLModel, table=True):
    """A study that is copied from one archive to another: asked for once, tried until it is there."""

    __tablename__ = "transfers"
    __table_args__ = (
        UniqueConstraint("site", "study_instance_uid", "source", "target"),
        Index("ix_transfers_due", "site", "state", "next_try_at", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site: str
    study_instance_uid: str = Field(index=True)
    source: str
    target: str
    """Names of archives."""
    why: str
    """Who wants it: `route`, `prefetch:KEY`, `person:…`."""
    state: str
    """One of `TransferState`."""
    created_at: datetime = time_column()
    next_try_at: datetime = time_column()
    leased_by: str = ""
    """The mover that works on it, which has set `next_try_at` to the end of its lease."""
    attempts: int = 0
    """How often it was begun since it was asked for."""
    trouble: str = ""
    """Why it is not there yet, free of patient data."""
    expected: int | None = None
    """Instances that the source has; None while they are not listed."""
    sent: int = 0
    """Instances that went over the wire; the target had the others."""
    finished_at: datetime | None = time_column(nullable=True)


class TransferItem(SQLModel, table=True):
    """One instance of a transfer, kept until it is shown at the target."""

    __tablename__ = "transfer_items"

    transfer_id: int = Field(foreign_key="transfers.id", primary_key=True, ondelete="CASCADE")
    sop_instance_uid: str = Field(primary_key=True)
    series_instance_uid: str
    sop_class_uid: str
    """Empty where the source does not tell it."""
    state: str
    """One of `ItemState`."""
    reason: str = ""
    """Why it was not taken, free of patient data."""

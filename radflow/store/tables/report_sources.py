"""Servers that reports are fetched from."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from radflow.store.tables.columns import time_column


class ReportSourceState(SQLModel, table=True):
    """How a source of reports fares, and how far it has been read."""

    __tablename__ = "report_sources"

    site: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    read_until: datetime | None = time_column(nullable=True)
    """`meta.lastUpdated` of the newest resource that was read: the server's clock."""
    asked_at: datetime | None = time_column(nullable=True)
    """When it answered last."""
    failures: int = 0
    """In a row."""
    failing_since: datetime | None = time_column(nullable=True)
    next_try_at: datetime | None = time_column(nullable=True)
    trouble: str = ""

"""What the warehouse is still to get."""

from datetime import date, datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from radflow.store.tables.columns import time_column


class WarehousePartition(SQLModel, table=True):
    """A day of a site in the warehouse, and who writes it now: one at a time."""

    __tablename__ = "warehouse_partitions"

    site: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    leased_by: str = ""
    leased_until: datetime | None = time_column(nullable=True)


class WarehousePending(SQLModel, table=True):
    """An order whose rows in the warehouse are to be written: whoever writes its day takes it along."""

    __tablename__ = "warehouse_pending"
    __table_args__ = (Index("ix_warehouse_pending_site_day", "site", "day"),)

    order_key: str = Field(foreign_key="orders.key", primary_key=True)
    site: str
    day: date
    marks: int = 1
    """How often it was asked for: what is asked for while it is being written is written again."""
    marked_at: datetime = time_column()

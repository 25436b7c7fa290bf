"""What ops have been told of overdue orders, and by which limits these were looked at."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from radflow.store.tables.columns import time_column


class OverdueAlert(SQLModel, table=True):
    """Orders are overdue in a stage at a site, and ops know; it goes when none is any more."""

    __tablename__ = "overdue_alerts"

    site: str = Field(primary_key=True)
    stage: str = Field(primary_key=True)
    began_at: datetime = time_column()
    told_at: datetime = time_column()
    orders: int
    """How many were overdue when it was told."""


class OverdueLimits(SQLModel, table=True):
    """The limits of a site that its orders were last looked at by; other ones mean to look at all anew."""

    __tablename__ = "overdue_limits"

    site: str = Field(primary_key=True)
    digest: str

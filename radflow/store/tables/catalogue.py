"""What a site's master files name."""

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from radflow.store.tables.columns import json_column, time_column


class CatalogueEntry(SQLModel, table=True):
    """A procedure, location or staff member as the site's master files name it (MFN, v2.5.1 ch. 8).

    It changes what later orders map to, never past ones.
    """

    __tablename__ = "catalogue"
    __table_args__ = (UniqueConstraint("site", "kind", "system", "code"),)

    id: int | None = Field(default=None, primary_key=True)
    site: str
    kind: str
    """`procedure`, `location` or `staff`."""
    system: str
    code: str
    document: dict[str, Any] = json_column()
    active: bool = True
    effective_at: datetime | None = time_column(nullable=True)
    updated_at: datetime = time_column()
    told_by: int | None = None
    """Id of the newest message that has told of the entry."""

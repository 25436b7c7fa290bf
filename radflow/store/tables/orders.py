"""Orders, their event logs and their reports."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, text
from sqlmodel import Field, SQLModel

from radflow.store.tables.columns import json_column, time_column


class OrderRow(SQLModel, table=True):
    """An order, and its event log folded."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_site_accession", "site", "accession_number"),
        Index("ix_orders_site_placer", "site", "placer_order_number"),
        Index("ix_orders_site_filler", "site", "filler_order_number"),
        Index("ix_orders_site_state", "site", "state"),
        Index("ix_orders_site_created", "site", "created_at"),
        Index(
            "ix_orders_overdue",
            "site",
            "overdue_in",
            sqlite_where=text("overdue_since IS NOT NULL"),
            postgresql_where=text("overdue_since IS NOT NULL"),
        ),
    )

    key: str = Field(primary_key=True)
    site: str
    placer_order_number: str = ""
    filler_order_number: str = ""
    accession_number: str
    study_instance_uid: str = Field(index=True)
    patient_id: int = Field(foreign_key="patients.id", index=True)
    modality: str
    document: dict[str, Any] = json_column()
    created_at: datetime = time_column(index=True)
    updated_at: datetime = time_column()
    state: str
    steps_done: list[str] = Field(default_factory=list, sa_column=Column(JSON(), nullable=False))
    revision: int = 0
    round: int = 1
    """The flow run that works on it: 1, and one more each time news reopen a finished order."""
    run_id: str | None = None
    """Prefect flow run; None until the dispatcher has made it."""
    wake_at: datetime | None = time_column(nullable=True, index=True)
    """When the order wants a leg (news, a retry, or an expired lease); None while it rests."""
    leg: str | None = None
    """The leg that works on it now: only this one may complete a step."""
    leg_until: datetime | None = time_column(nullable=True)
    """Until when that leg may be believed alive."""
    attempts: int = 0
    """How often the due step has failed since it last succeeded."""
    trouble: str = ""
    """Why it failed last, free of patient data."""
    nudges: int = 0
    """How often someone has said that what its step waits for may be there."""
    overdue_at: datetime | None = time_column(nullable=True, index=True)
    """When it is to be looked at whether it is overdue, or no longer; None while only news can make it so."""
    overdue_in: str = ""
    """The stage in which it is overdue; empty while it is not."""
    overdue_since: datetime | None = time_column(nullable=True)


class OrderEvent(SQLModel, table=True):
    """One line of an order's event log, never changed."""

    __tablename__ = "order_events"

    id: int | None = Field(default=None, primary_key=True)
    order_key: str = Field(foreign_key="orders.key", index=True)
    event: str
    step: str | None = None
    occurred_at: datetime = time_column()
    source: str
    """Who says so: `message:17`, `archive:pacs`, `leg:…`, `person:…`."""
    detail: dict[str, Any] = json_column()


class ReportRow(SQLModel, table=True):
    """A version of a report; `order_key` is None while no order is known for it."""

    __tablename__ = "reports"

    id: int | None = Field(default=None, primary_key=True)
    order_key: str | None = Field(default=None, foreign_key="orders.key", index=True)
    message_id: int | None = Field(default=None, foreign_key="messages.id", index=True)
    """None once the message is pruned, and for what no message has brought."""
    source: str
    """`hl7`, `fhir` or `sr`: what has brought it."""
    status: str
    document: dict[str, Any] = json_column()
    received_at: datetime = time_column()

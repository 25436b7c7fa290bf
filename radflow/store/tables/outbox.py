"""What is sent, and what has become of it."""

from datetime import datetime

from sqlalchemy import JSON, Column, Index, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from radflow.store.tables.columns import time_column


class PublicationRow(SQLModel, table=True):
    """What has become of a resource of an order at a FHIR destination, and what was last written there."""

    __tablename__ = "publications"
    __table_args__ = (UniqueConstraint("order_key", "destination", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    order_key: str = Field(foreign_key="orders.key")
    destination: str
    """Its name in the site file."""
    name: str = Field(index=True)
    """`fullUrl` of the entry: the same at every repeat."""
    resource_type: str
    revision: int
    """The order's, for which this was tried."""
    outcome: str
    """One of `Outcome`."""
    reason: str = ""
    """Issue codes and paths, or why it failed; free of patient data."""
    reference: str = ""
    """`Type/id` there; empty until it is known."""
    version: str = ""
    """`meta.versionId` after our last write; empty where the destination has none."""
    digest: str = ""
    """SHA-256 of the content that was written."""
    elements: list[str] = Field(default_factory=list, sa_column=Column(JSON(), nullable=False))
    """The elements that were written."""
    at: datetime = time_column()


class OutboxMessage(SQLModel, table=True):
    """What is sent to a destination, written before it is sent: a queue for each destination."""

    __tablename__ = "outbox"
    __table_args__ = (
        # Two senders may have used one MSH-10: what is passed on is named by its message too.
        UniqueConstraint("site", "destination", "control_id", "message_id"),
        Index("ix_outbox_sendable", "site", "destination", "state", "attempts", "id"),
        Index("ix_outbox_queue", "site", "destination", "queue", "state", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    site: str
    destination: str
    queue: str
    """What goes out in the order in which it came: a patient; empty for what is of none."""
    order_key: str | None = Field(default=None, foreign_key="orders.key", index=True)
    message_id: int | None = Field(default=None, foreign_key="messages.id", index=True)
    """The message that is passed on, where it is not one of radflow's own."""
    message_type: str
    """MSH-9.1 ^ MSH-9.2."""
    control_id: str
    payload: bytes = Field(sa_column=Column(LargeBinary(), nullable=False))
    state: str
    """One of `QueueState`."""
    attempts: int = 0
    created_at: datetime = time_column()
    sent_at: datetime | None = time_column(nullable=True)
    answer: str = ""
    """The receiver's MSA-1, or why it could not be reached or has refused; free of patient data."""
    awaited: bool = False
    """The order is woken when it is delivered or refused."""


class DestinationState(SQLModel, table=True):
    """How a destination fares: when it may be tried again, and whether a person has stopped it."""

    __tablename__ = "destinations"

    site: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    paused: bool = False
    """By hand; nothing goes out until it is resumed."""
    failures: int = 0
    """In a row."""
    failing_since: datetime | None = time_column(nullable=True)
    next_try_at: datetime | None = time_column(nullable=True)
    trouble: str = ""
    leased_by: str = ""
    """The one sender that sends to it."""
    leased_until: datetime | None = time_column(nullable=True)

"""The inbox: raw HL7 messages, and what they speak of."""

from datetime import datetime

from sqlalchemy import Column, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from radflow.store.tables.columns import time_column


class Message(SQLModel, table=True):
    """A raw HL7 message as it came, committed before its ACK. The inbox, and the quarantine."""

    __tablename__ = "messages"
    __table_args__ = (
        # The same bytes under the same MSH-10 of the same sender are the same message sent again.
        # MSH-10 comes first, so that a message is found by it alone.
        UniqueConstraint("control_id", "sender", "site", "digest"),
        Index("ix_messages_state_id", "state", "id"),
        Index("ix_messages_type_id", "message_type", "id"),
        Index("ix_messages_sender_id", "sender", "id"),
        # Few messages are repairs. Without this index the deletion of a message would read all others.
        Index(
            "ix_messages_repairs",
            "repairs",
            sqlite_where=text("repairs IS NOT NULL"),
            postgresql_where=text("repairs IS NOT NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    received_at: datetime = time_column(index=True)
    site: str
    peer: str
    """Address of the sender, `host:port`."""
    sender: str
    """MSH-3 | MSH-4."""
    control_id: str
    """MSH-10."""
    message_type: str
    """MSH-9.1 ^ MSH-9.2, as in `ORM^O01`."""
    version: str
    """MSH-12."""
    raw: bytes = Field(sa_column=Column(LargeBinary(), nullable=False))
    digest: str
    """SHA-256 of `raw`, hexadecimal."""
    copies: int = 1
    """How often it came."""
    state: str
    """One of `MessageState`."""
    ack_code: str
    """MSA-1 of the answer."""
    reason: str = ""
    """Why it is quarantined or waiting, in words free of patient data."""
    sent_at: datetime | None = time_column(nullable=True)
    """MSH-7, where it tells the second; known once the intake has read it."""
    processed_at: datetime | None = time_column(nullable=True)
    repairs: int | None = Field(default=None, foreign_key="messages.id")
    """The message that this one was made from by hand."""


class MessageLink(SQLModel, table=True):
    """What a message speaks of or waits for, so that it is found without being read."""

    __tablename__ = "message_links"
    __table_args__ = (Index("ix_message_links_kind_value", "kind", "value"),)

    message_id: int = Field(foreign_key="messages.id", primary_key=True, ondelete="CASCADE")
    kind: str = Field(primary_key=True)
    """One of `LinkKind`."""
    value: str = Field(primary_key=True)
    """An order's key, or a number or patient identifier as it was sent."""

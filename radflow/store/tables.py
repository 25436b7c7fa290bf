"""The tables. Documents (Order, Patient, …) are kept whole as JSON beside the columns searched by."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Dialect, Index, LargeBinary, UniqueConstraint
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time on both databases; SQLite would give it back naive."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times in the store are aware; this one has no zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _time(nullable: bool = False, index: bool = False) -> Any:
    column: Column[datetime] = Column(UtcDateTime(), nullable=nullable, index=index)
    return Field(default=None, sa_column=column) if nullable else Field(sa_column=column)


def _json() -> Any:
    return Field(sa_column=Column(JSON(), nullable=False))


class Message(SQLModel, table=True):
    """A raw HL7 message as it came, committed before its ACK. The inbox, and the quarantine."""

    __tablename__ = "messages"
    __table_args__ = (
        # The same bytes under the same MSH-10 of the same sender are the same message sent again.
        UniqueConstraint("site", "sender", "control_id", "digest"),
        Index("ix_messages_state_id", "state", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    received_at: datetime = _time(index=True)
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
    processed_at: datetime | None = _time(nullable=True)
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


class PatientRow(SQLModel, table=True):
    """A patient as last told."""

    __tablename__ = "patients"

    id: int | None = Field(default=None, primary_key=True)
    site: str = Field(index=True)
    document: dict[str, Any] = _json()
    updated_at: datetime = _time()
    merged_into: int | None = Field(default=None, foreign_key="patients.id", index=True)
    """The survivor of a merge (ADT^A40); its orders have moved there."""


class PatientIdentifier(SQLModel, table=True):
    """An identifier and whose it is: one value of one assigning authority at one site names one patient.

    After a merge the retired identifier names the survivor, so that a late message under it finds them.
    """

    __tablename__ = "patient_identifiers"

    site: str = Field(primary_key=True)
    assigner: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    patient_id: int = Field(foreign_key="patients.id", index=True)
    retired: bool = False


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
    document: dict[str, Any] = _json()
    active: bool = True
    effective_at: datetime | None = _time(nullable=True)
    updated_at: datetime = _time()


class OrderRow(SQLModel, table=True):
    """An order, and its event log folded."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_site_accession", "site", "accession_number"),
        Index("ix_orders_site_placer", "site", "placer_order_number"),
        Index("ix_orders_site_filler", "site", "filler_order_number"),
        Index("ix_orders_site_state", "site", "state"),
    )

    key: str = Field(primary_key=True)
    site: str
    placer_order_number: str = ""
    filler_order_number: str = ""
    accession_number: str
    study_instance_uid: str = Field(index=True)
    patient_id: int = Field(foreign_key="patients.id", index=True)
    modality: str
    document: dict[str, Any] = _json()
    created_at: datetime = _time(index=True)
    updated_at: datetime = _time()
    state: str
    steps_done: list[str] = Field(default_factory=list, sa_column=Column(JSON(), nullable=False))
    revision: int = 0
    round: int = 1
    """The flow run that works on it: 1, and one more each time news reopen a finished order."""
    run_id: str | None = None
    """Prefect flow run; None until the dispatcher has made it."""
    wake_at: datetime | None = _time(nullable=True, index=True)
    """When the order wants a leg (news, a retry, or an expired lease); None while it rests."""
    leg: str | None = None
    """The leg that works on it now: only this one may complete a step."""
    leg_until: datetime | None = _time(nullable=True)
    """Until when that leg may be believed alive."""
    attempts: int = 0
    """How often the due step has failed since it last succeeded."""
    trouble: str = ""
    """Why it failed last, free of patient data."""


class OrderEvent(SQLModel, table=True):
    """One line of an order's event log, never changed."""

    __tablename__ = "order_events"

    id: int | None = Field(default=None, primary_key=True)
    order_key: str = Field(foreign_key="orders.key", index=True)
    event: str
    step: str | None = None
    occurred_at: datetime = _time()
    source: str
    """Who says so: `message:17`, `archive:pacs`, `leg:…`, `person:…`."""
    detail: dict[str, Any] = _json()


class ReportRow(SQLModel, table=True):
    """A version of a report; `order_key` is None while no order is known for it."""

    __tablename__ = "reports"

    id: int | None = Field(default=None, primary_key=True)
    order_key: str | None = Field(default=None, foreign_key="orders.key", index=True)
    message_id: int | None = Field(default=None, foreign_key="messages.id")
    status: str
    document: dict[str, Any] = _json()
    received_at: datetime = _time()


class WorklistItem(SQLModel, table=True):
    """A scheduled procedure step on the worklist: matching keys as columns, the answer as DICOM JSON."""

    __tablename__ = "worklist_items"
    __table_args__ = (
        UniqueConstraint("order_key", "scheduled_procedure_step_id"),
        Index("ix_worklist_date_modality", "scheduled_date", "modality"),
    )

    id: int | None = Field(default=None, primary_key=True)
    order_key: str = Field(foreign_key="orders.key", index=True)
    site: str
    scheduled_procedure_step_id: str
    modality: str
    station_aets: str
    """Scheduled Station AE Titles, each between backslashes (`\\CT1\\CT2\\`), so that LIKE finds one."""
    scheduled_date: str
    """Site-local YYYYMMDD, as the worklist speaks."""
    scheduled_time: str
    """Site-local HHMMSS."""
    patient_name: str = Field(index=True)
    """Upper case PN."""
    patient_id: str = Field(index=True)
    accession_number: str = Field(index=True)
    requested_procedure_id: str = Field(index=True)
    study_instance_uid: str = Field(index=True)
    dataset: dict[str, Any] = _json()


class StudyRow(SQLModel, table=True):
    """A study found for an order. Many to many: a study may fulfil several orders, and the reverse."""

    __tablename__ = "studies"
    __table_args__ = (UniqueConstraint("order_key", "study_instance_uid"),)

    id: int | None = Field(default=None, primary_key=True)
    order_key: str = Field(foreign_key="orders.key", index=True)
    study_instance_uid: str = Field(index=True)
    archive: str
    found_at: datetime = _time()
    document: dict[str, Any] = _json()


class OutboxMessage(SQLModel, table=True):
    """What is sent to a destination, written before it is sent: a queue for each destination."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("site", "destination", "control_id"),
        Index("ix_outbox_destination_state_id", "site", "destination", "state", "id"),
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
    created_at: datetime = _time()
    sent_at: datetime | None = _time(nullable=True)
    answer: str = ""
    """The receiver's MSA-1, or why it could not be reached or has refused; free of patient data."""


class DestinationState(SQLModel, table=True):
    """How a destination fares: when it may be tried again, and whether a person has stopped it."""

    __tablename__ = "destinations"

    site: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    paused: bool = False
    """By hand; nothing goes out until it is resumed."""
    failures: int = 0
    """In a row."""
    failing_since: datetime | None = _time(nullable=True)
    next_try_at: datetime | None = _time(nullable=True)
    trouble: str = ""

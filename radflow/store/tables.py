"""The tables. Documents (Order, Patient, …) are kept whole as JSON beside the columns searched by."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Dialect, Index, LargeBinary, String, UniqueConstraint, text
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


def _text_by_bytes() -> Any:
    """An indexed text in which all that begins alike stands together: a language's order would mix them."""
    by_bytes = String().with_variant(String(collation="C"), "postgresql")
    return Field(sa_column=Column(by_bytes, nullable=False, index=True))


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
    told_by: int | None = None
    """Id of the newest message that has told of the patient: what an older one says is superseded."""


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
    told_by: int | None = None
    """Id of the newest message that has told of the entry."""


class OrderRow(SQLModel, table=True):
    """An order, and its event log folded."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_site_accession", "site", "accession_number"),
        Index("ix_orders_site_placer", "site", "placer_order_number"),
        Index("ix_orders_site_filler", "site", "filler_order_number"),
        Index("ix_orders_site_state", "site", "state"),
        Index("ix_orders_site_created", "site", "created_at"),
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
    nudges: int = 0
    """How often someone has said that what its step waits for may be there."""


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
    message_id: int | None = Field(default=None, foreign_key="messages.id", index=True)
    """None once the message is pruned."""
    status: str
    document: dict[str, Any] = _json()
    received_at: datetime = _time()


class WorklistItem(SQLModel, table=True):
    """A scheduled procedure step on the worklist: matching keys as columns, the answer as its DICOM bytes."""

    __tablename__ = "worklist_items"
    __table_args__ = (
        UniqueConstraint("order_key", "scheduled_procedure_step_id"),
        Index("ix_worklist_date_modality", "scheduled_date", "modality"),
    )

    id: int | None = Field(default=None, primary_key=True)
    order_key: str = Field(foreign_key="orders.key", index=True)
    site: str
    scheduled_procedure_step_id: str
    status: str
    """Scheduled Procedure Step Status (0040,0020): SCHEDULED, ARRIVED, READY, STARTED, DEPARTED."""
    modality: str
    station_aets: str
    """Scheduled Station AE Titles, each between backslashes (`\\CT1\\CT2\\`), so that LIKE finds one."""
    scheduled_date: str
    """Site-local YYYYMMDD, as the worklist speaks."""
    scheduled_time: str
    """Site-local HHMMSS."""
    patient_name: str = _text_by_bytes()
    """The alphabetic group of the PN as it is compared."""
    ideographic_name: str = _text_by_bytes()
    phonetic_name: str = _text_by_bytes()
    patient_id: str = Field(index=True)
    accession_number: str = Field(index=True)
    requested_procedure_id: str = Field(index=True)
    study_instance_uid: str = Field(index=True)
    dataset: bytes = Field(sa_column=Column(LargeBinary(), nullable=False))
    """Explicit VR little endian, texts in UTF-8: `mappings/dicom/items.py`."""


class PerformedStepRow(SQLModel, table=True):
    """A modality performed procedure step (MPPS) as it was last told."""

    __tablename__ = "performed_procedure_steps"

    sop_instance_uid: str = Field(primary_key=True)
    site: str = Field(index=True)
    status: str
    """Performed Procedure Step Status (0040,0252): IN PROGRESS, COMPLETED, DISCONTINUED."""
    station_ae_title: str
    """Performed Station AE Title (0040,0241)."""
    modality: str
    started_at: datetime | None = _time(nullable=True)
    """As the modality's clock says."""
    ended_at: datetime | None = _time(nullable=True)
    received_at: datetime = _time()
    updated_at: datetime = _time()
    dataset: dict[str, Any] = _json()
    """All of it, as DICOM JSON (PS3.18 annex F)."""


class PerformedStepOrder(SQLModel, table=True):
    """What a performed step was scheduled as, and the order that this is of: several in a group case."""

    __tablename__ = "performed_step_orders"

    id: int | None = Field(default=None, primary_key=True)
    sop_instance_uid: str = Field(
        foreign_key="performed_procedure_steps.sop_instance_uid", index=True, ondelete="CASCADE"
    )
    order_key: str | None = Field(default=None, foreign_key="orders.key", index=True)
    """None while no order is known for it."""
    step_id: str
    """The order's Scheduled Procedure Step ID (0040,0009) that is performed; empty for all of the order."""
    study_instance_uid: str = Field(index=True)
    accession_number: str = Field(index=True)


class StorageCommitmentRow(SQLModel, table=True):
    """A request to an archive to take responsibility for a study of an order (PS3.4 annex J)."""

    __tablename__ = "storage_commitments"

    transaction_uid: str = Field(primary_key=True)
    order_key: str = Field(foreign_key="orders.key", index=True)
    study_instance_uid: str
    archive: str
    instances: list[str] = Field(sa_column=Column(JSON(), nullable=False))
    """The SOP Instance UIDs that were asked for, sorted."""
    requested_at: datetime = _time()
    answered_at: datetime | None = _time(nullable=True)
    failed: dict[str, int] = _json()
    """SOP Instance UID → Failure Reason (0008,1197) of each that was not committed."""


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
    number_of_series: int | None = None
    number_of_instances: int | None = None
    """As its archive has last told or shown them; None while neither has happened."""
    changed_at: datetime = _time()
    """When these were last others than before, or the study in another archive."""
    complete_at: datetime | None = _time(nullable=True)
    """Since when it is taken as complete; None while images may be arriving."""
    recheck_at: datetime | None = _time(nullable=True, index=True)
    """When its archive is to be asked again; None while the search asks anyway, and after some days."""
    misses: int = 0
    """How often in a row its archive has not shown it."""


class StudyCandidate(SQLModel, table=True):
    """A study that may be an order's, by patient, modality and day. Only a person links it."""

    __tablename__ = "study_candidates"
    __table_args__ = (UniqueConstraint("order_key", "study_instance_uid"),)

    id: int | None = Field(default=None, primary_key=True)
    order_key: str = Field(foreign_key="orders.key", index=True)
    study_instance_uid: str
    archive: str
    document: dict[str, Any] = _json()
    proposed_at: datetime = _time()
    decision: str = ""
    """`confirmed` or `rejected`; empty while nobody has looked."""
    decided_by: str = ""
    decided_at: datetime | None = _time(nullable=True)


class ArchiveState(SQLModel, table=True):
    """How an archive fares, and when it was last searched through."""

    __tablename__ = "archives"

    site: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    failures: int = 0
    """In a row."""
    failing_since: datetime | None = _time(nullable=True)
    next_try_at: datetime | None = _time(nullable=True)
    trouble: str = ""
    answered_at: datetime | None = _time(nullable=True)
    searched_at: datetime | None = _time(nullable=True)
    """When it was last asked for every study of the days in question."""


class StructuredReportRow(SQLModel, table=True):
    """A DICOM SR document or key object selection of an order's study, read once: it never changes."""

    __tablename__ = "structured_reports"
    __table_args__ = (UniqueConstraint("order_key", "sop_instance_uid"),)

    id: int | None = Field(default=None, primary_key=True)
    order_key: str = Field(foreign_key="orders.key", index=True)
    study_instance_uid: str = Field(index=True)
    series_instance_uid: str
    sop_instance_uid: str
    document: dict[str, Any] | None = Field(sa_column=Column(JSON(none_as_null=True), nullable=True))
    """A `StructuredReport`; None while it could not be read."""
    trouble: str = ""
    """Why not, free of patient data."""
    fetched_at: datetime = _time()


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
    created_at: datetime = _time()
    next_try_at: datetime = _time()
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
    finished_at: datetime | None = _time(nullable=True)


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
    at: datetime = _time()


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
    created_at: datetime = _time()
    sent_at: datetime | None = _time(nullable=True)
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
    failing_since: datetime | None = _time(nullable=True)
    next_try_at: datetime | None = _time(nullable=True)
    trouble: str = ""
    leased_by: str = ""
    """The one sender that sends to it."""
    leased_until: datetime | None = _time(nullable=True)


class HistoricStudyRow(SQLModel, table=True):
    """A study of an archive that is of no order here: imported for the warehouse alone."""

    __tablename__ = "historic_studies"
    __table_args__ = (Index("ix_historic_studies_site_day", "site", "day", "study_instance_uid"),)

    site: str = Field(primary_key=True)
    study_instance_uid: str = Field(primary_key=True)
    archive: str
    day: date
    """UTC day on which it was made: the warehouse's partition."""
    document: dict[str, Any] = _json()
    imported_at: datetime = _time()


class WarehousePartition(SQLModel, table=True):
    """A day of a site in the warehouse, and who writes it now: one at a time."""

    __tablename__ = "warehouse_partitions"

    site: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    leased_by: str = ""
    leased_until: datetime | None = _time(nullable=True)


class WarehousePending(SQLModel, table=True):
    """An order whose rows in the warehouse are to be written: whoever writes its day takes it along."""

    __tablename__ = "warehouse_pending"
    __table_args__ = (Index("ix_warehouse_pending_site_day", "site", "day"),)

    order_key: str = Field(foreign_key="orders.key", primary_key=True)
    site: str
    day: date
    marks: int = 1
    """How often it was asked for: what is asked for while it is being written is written again."""
    marked_at: datetime = _time()


class Backfill(SQLModel, table=True):
    """Work on what is there already, item by item; one that was cut off is continued."""

    __tablename__ = "backfills"
    __table_args__ = (Index("ix_backfills_kind_state", "kind", "state"),)

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    """Name of its flow."""
    parameters: dict[str, Any] = _json()
    """What it works on; not how: another concurrency is the same backfill."""
    state: str
    """One of `BackfillState`."""
    planned: str = ""
    """The last item that was planned; the rest of the plan goes on from there."""
    created_at: datetime = _time()
    finished_at: datetime | None = _time(nullable=True)
    leased_by: str = ""
    leased_until: datetime | None = _time(nullable=True)
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
    detail: dict[str, Any] = _json()
    """What became of it, in numbers and words free of patient data."""

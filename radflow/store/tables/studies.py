"""Studies that archives have shown, and the archives themselves."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from radflow.store.tables.columns import json_column, time_column


class StudyRow(SQLModel, table=True):
    """A study found for an order. Many to many: a study may fulfil several orders, and the reverse."""

    __tablename__ = "studies"
    __table_args__ = (UniqueConstraint("order_key", "study_instance_uid"),)

    id: int | None = Field(default=None, primary_key=True)
    order_key: str = Field(foreign_key="orders.key", index=True)
    study_instance_uid: str = Field(index=True)
    archive: str
    found_at: datetime = time_column()
    document: dict[str, Any] = json_column()
    number_of_series: int | None = None
    number_of_instances: int | None = None
    """As its archive has last told or shown them; None while neither has happened."""
    changed_at: datetime = time_column()
    """When these were last others than before, or the study in another archive."""
    complete_at: datetime | None = time_column(nullable=True)
    """Since when it is taken as complete; None while images may be arriving."""
    recheck_at: datetime | None = time_column(nullable=True, index=True)
    """When its archive is to be asked again; None while the search asks anyway, and after some days."""
    misses: int = 0
    """How often in a row its archive has not shown it."""


class StudyCandidate(SQLModel, table=True):
    """A study that may be an order's: by patient, modality and day, or by accession number under a Patient ID
    that is not the patient's. Only a person links it."""

    __tablename__ = "study_candidates"
    __table_args__ = (UniqueConstraint("order_key", "study_instance_uid"),)

    id: int | None = Field(default=None, primary_key=True)
    order_key: str = Field(foreign_key="orders.key", index=True)
    study_instance_uid: str
    archive: str
    document: dict[str, Any] = json_column()
    proposed_at: datetime = time_column()
    decision: str = ""
    """`confirmed` or `refused`; empty while nobody has looked."""
    decided_by: str = ""
    decided_at: datetime | None = time_column(nullable=True)
    reason: str = ""
    """Why, in the person's words."""
    run_id: str | None = None
    """The Prefect run that waits for the decision; None while there is none, or no longer."""


class ArchiveState(SQLModel, table=True):
    """How an archive fares, and when it was last searched through."""

    __tablename__ = "archives"

    site: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    failures: int = 0
    """In a row."""
    failing_since: datetime | None = time_column(nullable=True)
    next_try_at: datetime | None = time_column(nullable=True)
    trouble: str = ""
    answered_at: datetime | None = time_column(nullable=True)
    searched_at: datetime | None = time_column(nullable=True)
    """When it was last asked for every study of the days in question."""


class StorageCommitmentRow(SQLModel, table=True):
    """A request to an archive to take responsibility for a study of an order (PS3.4 annex J)."""

    __tablename__ = "storage_commitments"

    transaction_uid: str = Field(primary_key=True)
    order_key: str = Field(foreign_key="orders.key", index=True)
    study_instance_uid: str
    archive: str
    instances: list[str] = Field(sa_column=Column(JSON(), nullable=False))
    """The SOP Instance UIDs that were asked for, sorted."""
    requested_at: datetime = time_column()
    answered_at: datetime | None = time_column(nullable=True)
    failed: dict[str, int] = json_column()
    """SOP Instance UID → Failure Reason (0008,1197) of each that was not committed."""


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
    fetched_at: datetime = time_column()


class HistoricStudyRow(SQLModel, table=True):
    """A study of an archive that is of no order here: imported for the warehouse alone."""

    __tablename__ = "historic_studies"
    __table_args__ = (Index("ix_historic_studies_site_day", "site", "day", "study_instance_uid"),)

    site: str = Field(primary_key=True)
    study_instance_uid: str = Field(primary_key=True)
    archive: str
    day: date
    """UTC day on which it was made: the warehouse's partition."""
    document: dict[str, Any] = json_column()
    imported_at: datetime = time_column()

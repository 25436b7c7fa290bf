"""The worklist, and the steps that modalities have performed."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from radflow.store.tables.columns import json_column, text_by_bytes, time_column


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
    patient_name: str = text_by_bytes()
    """The alphabetic group of the PN as it is compared."""
    ideographic_name: str = text_by_bytes()
    phonetic_name: str = text_by_bytes()
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
    started_at: datetime | None = time_column(nullable=True)
    """As the modality's clock says."""
    ended_at: datetime | None = time_column(nullable=True)
    received_at: datetime = time_column()
    updated_at: datetime = time_column()
    dataset: dict[str, Any] = json_column()
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

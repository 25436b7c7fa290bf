"""Patients, and what a site calls them."""

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from radflow.store.tables.columns import json_column, time_column


class PatientRow(SQLModel, table=True):
    """A patient as last told."""

    __tablename__ = "patients"

    id: int | None = Field(default=None, primary_key=True)
    site: str = Field(index=True)
    document: dict[str, Any] = json_column()
    updated_at: datetime = time_column()
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

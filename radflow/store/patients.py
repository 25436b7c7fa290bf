"""Patients in the store, one for each identifier of an assigner at a site."""

from datetime import datetime

from sqlmodel import Session, select

from radflow.model import Patient
from radflow.store.tables import PatientRow


def upsert(session: Session, site: str, patient: Patient, now: datetime) -> int:
    """Store what is now known of the patient, named by the first identifier; returns the row's id."""
    first = patient.identifiers[0]
    query = select(PatientRow).where(
        PatientRow.site == site, PatientRow.assigner == first.assigner, PatientRow.identifier == first.value
    )
    document = patient.model_dump(mode="json")
    row = session.exec(query).one_or_none() or PatientRow(
        site=site, assigner=first.assigner, identifier=first.value, document=document, updated_at=now
    )
    if row.document != document:
        row.document, row.updated_at = document, now
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id

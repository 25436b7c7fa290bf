"""Patients in the store, each found by any of their identifiers at a site."""

from datetime import datetime

from sqlmodel import Session

from radflow.model import Identifier, Patient
from radflow.store.tables import PatientIdentifier, PatientRow


def upsert(session: Session, site: str, patient: Patient, now: datetime) -> int:
    """Store what is now known of the patient, named by the first identifier; returns the row's id."""
    document = patient.model_dump(mode="json")
    row = find(session, site, patient.identifiers[0])
    if row is None:
        row = PatientRow(site=site, document=document, updated_at=now)
        session.add(row)
        session.flush()
    elif row.document != document:
        row.document, row.updated_at = document, now
        session.add(row)
    assert row.id is not None
    for identifier in patient.identifiers:
        if session.get(PatientIdentifier, (site, identifier.assigner, identifier.value)) is None:
            session.add(
                PatientIdentifier(
                    site=site, assigner=identifier.assigner, value=identifier.value, patient_id=row.id
                )
            )
            session.flush()
    return row.id


def find(session: Session, site: str, identifier: Identifier) -> PatientRow | None:
    """The patient of this identifier: after a merge, the survivor."""
    known = session.get(PatientIdentifier, (site, identifier.assigner, identifier.value))
    return session.get(PatientRow, known.patient_id) if known else None

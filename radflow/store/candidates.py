"""Studies that may be an order's: proposed to a person, who confirms or rejects them."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from radflow.model import Study
from radflow.order import AWAITING_IMAGES, Event
from radflow.store import orders, studies
from radflow.store.tables import OrderRow, PatientIdentifier, StudyCandidate

_PER_QUERY = 500
"""Values in one IN list."""

CONFIRMED, REJECTED = "confirmed", "rejected"


class NoSuchCandidate(LookupError):
    """There is no candidate of this number, or it has been decided on."""


def orders_of_patients(session: Session, site: str, patient_ids: Sequence[str]) -> dict[str, list[OrderRow]]:
    """Patient ID → the orders that wait for images of whoever has it, of any assigner."""
    found: dict[str, list[OrderRow]] = {}
    for start in range(0, len(patient_ids), _PER_QUERY):
        query = (
            select(PatientIdentifier.value, OrderRow)
            .join(OrderRow, col(OrderRow.patient_id) == col(PatientIdentifier.patient_id))
            .where(
                OrderRow.site == site,
                col(OrderRow.state).in_(AWAITING_IMAGES),
                PatientIdentifier.site == site,
                col(PatientIdentifier.value).in_(patient_ids[start : start + _PER_QUERY]),
            )
        )
        for value, row in session.exec(query):
            found.setdefault(value, []).append(row)
    return found


def propose(session: Session, order_key: str, study: Study, now: datetime) -> bool:
    """Propose the study, unless that has been done; whatever was decided then stays decided.

    Returns:
        Whether it is a new proposal.
    """
    query = select(StudyCandidate).where(
        StudyCandidate.order_key == order_key,
        StudyCandidate.study_instance_uid == study.study_instance_uid,
    )
    if session.exec(query).first():
        return False
    session.add(
        StudyCandidate(
            order_key=order_key, study_instance_uid=study.study_instance_uid, archive=study.archive,
            document=study.model_dump(mode="json"), proposed_at=now,
        )
    )  # fmt: skip
    return True


def undecided(session: Session) -> Sequence[StudyCandidate]:
    """Those of orders that still wait for images, oldest first."""
    query = (
        select(StudyCandidate)
        .join(OrderRow)
        .where(StudyCandidate.decision == "", col(OrderRow.state).in_(AWAITING_IMAGES))
        .order_by(col(StudyCandidate.id))
    )
    return session.exec(query).all()


def confirm(session: Session, candidate_id: int, *, by: str, now: datetime) -> StudyCandidate:
    """Link the study to the order, which goes on as if its archive had shown it.

    Raises:
        NoSuchCandidate: it is not there, or decided.
        NotAllowed: the order no longer waits for images.
    """
    candidate = _decide(session, candidate_id, CONFIRMED, by, now)
    row = studies.see(session, candidate.order_key, Study.model_validate(candidate.document), now)
    studies.complete(row, now)
    row.recheck_at = now
    orders.record(
        session, candidate.order_key, Event.STUDY_FOUND, source=f"person:{by}", occurred_at=now, now=now
    )
    return candidate


def reject(session: Session, candidate_id: int, *, by: str, now: datetime) -> StudyCandidate:
    """Say that the study is not the order's; it is not proposed for it again.

    Raises:
        NoSuchCandidate: it is not there, or decided.
    """
    return _decide(session, candidate_id, REJECTED, by, now)


def _decide(session: Session, candidate_id: int, decision: str, by: str, now: datetime) -> StudyCandidate:
    candidate = session.get(StudyCandidate, candidate_id, with_for_update=True)
    if candidate is None or candidate.decision:
        raise NoSuchCandidate(candidate_id)
    candidate.decision, candidate.decided_by, candidate.decided_at = decision, by, now
    session.add(candidate)
    return candidate

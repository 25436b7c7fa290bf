"""Studies that may be an order's: proposed to a person, who confirms or refuses them."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from radflow.model import Study
from radflow.order import AWAITING_IMAGES, Event
from radflow.store import orders, studies
from radflow.store.tables import OrderRow, PatientIdentifier, StudyCandidate

_PER_QUERY = 500
"""Values in one IN list."""

CONFIRMED, REFUSED = "confirmed", "refused"


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
    if session.exec(_that(order_key, study.study_instance_uid)).first():
        return False
    session.add(_proposal(order_key, study, now))
    return True


def undecided(session: Session) -> Sequence[StudyCandidate]:
    """Those of orders that still wait for images, oldest first."""
    return session.exec(_open()).all()


def find_undecided(session: Session, candidate_id: int) -> StudyCandidate:
    """The candidate of this number.

    Raises:
        NoSuchCandidate: it is not there, it is decided, or its order waits for images no longer.
    """
    candidate = session.exec(_open().where(StudyCandidate.id == candidate_id)).first()
    if candidate is None:
        raise NoSuchCandidate(candidate_id)
    return candidate


def has_its_number(session: Session, candidate: StudyCandidate) -> bool:
    """Whether the study has the order's accession number."""
    order = session.get_one(OrderRow, candidate.order_key)
    return Study.model_validate(candidate.document).accession_number == order.accession_number


def to_ask(session: Session, limit: int) -> Sequence[StudyCandidate]:
    """Undecided ones that no run asks a person about."""
    return session.exec(_open().where(col(StudyCandidate.run_id).is_(None)).limit(limit)).all()


def asked(session: Session) -> Sequence[StudyCandidate]:
    """Undecided ones that a run asks a person about."""
    return session.exec(_open().where(col(StudyCandidate.run_id).is_not(None))).all()


def asked_in_vain(session: Session, limit: int) -> Sequence[StudyCandidate]:
    """Those that a run asks about, or has asked, though they are decided or their order has images."""
    query = (
        select(StudyCandidate)
        .join(OrderRow)
        .where(
            col(StudyCandidate.run_id).is_not(None),
            or_(StudyCandidate.decision != "", col(OrderRow.state).not_in(AWAITING_IMAGES)),
        )
        .order_by(col(StudyCandidate.id))
    )
    return session.exec(query.limit(limit)).all()


def confirm(
    session: Session, candidate_id: int, *, by: str, now: datetime, reason: str = ""
) -> StudyCandidate:
    """Link the study to the order, which goes on as if its archive had shown it.

    Args:
        reason: in the person's words, free of patient data.

    Raises:
        NoSuchCandidate: it is not there, or decided.
        NotAllowed: the order no longer waits for images.
    """
    candidate = _decide(session, candidate_id, CONFIRMED, by, reason, now)
    studies.confirm(session, candidate.order_key, Study.model_validate(candidate.document), now)
    _record(session, candidate, Event.STUDY_FOUND, now)
    return candidate


def refuse(
    session: Session, candidate_id: int, *, by: str, now: datetime, reason: str = ""
) -> StudyCandidate:
    """Say that the study is not the order's; it is not proposed for it again.

    Args:
        reason: in the person's words, free of patient data.

    Raises:
        NoSuchCandidate: it is not there, or decided.
    """
    candidate = _decide(session, candidate_id, REFUSED, by, reason, now)
    _record(session, candidate, Event.CANDIDATE_REFUSED, now)
    return candidate


def decide(
    session: Session, order_key: str, study: Study, decision: str, *, by: str, reason: str, now: datetime
) -> None:
    """Remember what a person has said of a study that need not have been proposed."""
    known = session.exec(_that(order_key, study.study_instance_uid).with_for_update()).first()
    row = known or _proposal(order_key, study, now)
    row.decision, row.decided_by, row.decided_at, row.reason = decision, by, now, reason
    session.add(row)


def is_refused(session: Session, order_key: str, study_instance_uid: str) -> bool:
    """Whether a person has said that the study is not the order's."""
    query = _that(order_key, study_instance_uid).where(StudyCandidate.decision == REFUSED)
    return session.exec(query).first() is not None


def _that(order_key: str, study_instance_uid: str) -> SelectOfScalar[StudyCandidate]:
    return select(StudyCandidate).where(
        StudyCandidate.order_key == order_key, StudyCandidate.study_instance_uid == study_instance_uid
    )


def _proposal(order_key: str, study: Study, now: datetime) -> StudyCandidate:
    return StudyCandidate(
        order_key=order_key, study_instance_uid=study.study_instance_uid, archive=study.archive,
        document=study.model_dump(mode="json"), proposed_at=now,
    )  # fmt: skip


def _open() -> SelectOfScalar[StudyCandidate]:
    return (
        select(StudyCandidate)
        .join(OrderRow)
        .where(StudyCandidate.decision == "", col(OrderRow.state).in_(AWAITING_IMAGES))
        .order_by(col(StudyCandidate.id))
    )


def _decide(
    session: Session, candidate_id: int, decision: str, by: str, reason: str, now: datetime
) -> StudyCandidate:
    candidate = session.get(StudyCandidate, candidate_id, with_for_update=True)
    if candidate is None or candidate.decision:
        raise NoSuchCandidate(candidate_id)
    candidate.decision, candidate.decided_by, candidate.decided_at = decision, by, now
    candidate.reason = reason
    session.add(candidate)
    return candidate


def _record(session: Session, candidate: StudyCandidate, event: Event, now: datetime) -> None:
    detail = {"candidate": candidate.id, "reason": candidate.reason}
    orders.record(
        session, candidate.order_key, event, source=f"person:{candidate.decided_by}", occurred_at=now,
        now=now, detail=detail,
    )  # fmt: skip

"""Studies that archives have shown for an order."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, select

from radflow.model import Study
from radflow.store.tables import StudyRow


def save(session: Session, order_key: str, study: Study, now: datetime) -> None:
    """Keep what the archive says of the order's study; a later word replaces an earlier one."""
    query = select(StudyRow).where(
        StudyRow.order_key == order_key, StudyRow.study_instance_uid == study.study_instance_uid
    )
    document = study.model_dump(mode="json")
    row = session.exec(query).one_or_none() or StudyRow(
        order_key=order_key, study_instance_uid=study.study_instance_uid, archive=study.archive,
        found_at=now, document=document,
    )  # fmt: skip
    row.archive, row.document = study.archive, document
    session.add(row)


def of_order(session: Session, order_key: str) -> Sequence[Study]:
    """The order's studies, first found first."""
    query = select(StudyRow).where(StudyRow.order_key == order_key).order_by(StudyRow.id)  # type: ignore[arg-type]
    return [Study.model_validate(row.document) for row in session.exec(query)]

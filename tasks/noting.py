"""Noting what an archive shows of an order's study, and saying so once the study is complete."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from radflow.model import Study
from radflow.order import Event, NotAllowed, State, images_event
from radflow.settings.finding import Finding
from radflow.store import candidates, orders, studies
from radflow.store.engine import Store
from radflow.store.tables import OrderRow, StudyRow

MISSES_UNTIL_GONE = 3
"""How often in a row an archive has to show nothing: an empty answer may be a mistake of its."""

Performed = Callable[[Session, str], bool]
"""Whether the modality has said that it has made all images of the order of this key (MPPS)."""


def no_mpps(_session: Session, _order_key: str) -> bool:
    """A `Performed` where nobody asks the modality: images of long ago."""
    return False


@dataclass(frozen=True)
class Notes:
    """What one look into an archive comes to."""

    store: Store
    rules: Finding
    now: datetime
    performed: Performed

    def shown(self, order_key: str, study: Study, *, moved: bool = False) -> Event | None:
        """Note that the study is there; returns what became of the order by it.

        Args:
            moved: what another archive has shown of it counts no more.
        """
        try:
            with self.store.write() as session:
                row = session.get(OrderRow, order_key, with_for_update=True)
                known = studies.find(session, order_key, study.study_instance_uid)
                elsewhere = known is not None and known.archive != study.archive and not moved
                refused = candidates.is_refused(session, order_key, study.study_instance_uid)
                if row is None or row.state == State.CANCELLED or elsewhere or refused:
                    return None
                return self._see(session, row, study)
        except NotAllowed:
            # The order has come to a state meanwhile in which its images change nothing.
            return None

    def missed(self, order_key: str, study_instance_uid: str) -> bool:
        """Note that its archive has not shown it; returns whether that is too often to be chance."""
        with self.store.write() as session:
            row = studies.find(session, order_key, study_instance_uid)
            if row is None:
                return False
            row.misses = min(row.misses + 1, MISSES_UNTIL_GONE)
            self._look_again(row)
            session.add(row)
            return row.misses == MISSES_UNTIL_GONE

    def gone(self, order_key: str, study_instance_uid: str) -> Event | None:
        """Note that no archive has it."""
        with self.store.write() as session:
            order = session.get_one(OrderRow, order_key, with_for_update=True)
            row = studies.find(session, order_key, study_instance_uid)
            if row is None:
                return None
            news = row.document.get("available", True)
            studies.gone(row, self.now)
            row.misses = 0
            self._look_again(row)
            session.add(row)
            return self._say(session, order, Event.STUDY_CHANGED, row, {"available": False}) if news else None

    def _see(self, session: Session, order: OrderRow, study: Study) -> Event | None:
        event = images_event(State(order.state))
        row = studies.see(session, order.key, study, self.now)
        news = row.complete_at is None and self._is_complete(session, order.key, row)
        if news:
            studies.complete(row, self.now)
        if news or event is Event.STUDY_CHANGED:
            self._look_again(row)
        session.add(row)
        if not news:
            return None
        return self._say(session, order, event, row, _counts(row))

    def _is_complete(self, session: Session, order_key: str, row: StudyRow) -> bool:
        quiet = timedelta(minutes=self.rules.quiet_minutes)
        if self.rules.complete_by == "mpps":
            if self.performed(session, order_key):
                return True
            if not quiet:
                return False
        return self.now - row.changed_at >= quiet

    def _look_again(self, row: StudyRow) -> None:
        every = timedelta(minutes=self.rules.recheck_minutes)
        studies.look_again(row, self.now, every, self.rules.recheck_days)

    def _say(
        self, session: Session, order: OrderRow, event: Event, row: StudyRow, detail: dict[str, Any]
    ) -> Event:
        orders.append(
            session, order, event, source=f"archive:{row.archive}", occurred_at=self.now, now=self.now,
            detail=detail,
        )  # fmt: skip
        return event


def _counts(row: StudyRow) -> dict[str, int]:
    counts = {"series": row.number_of_series, "instances": row.number_of_instances}
    return {what: number for what, number in counts.items() if number is not None}

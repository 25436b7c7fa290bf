"""Whose images they are: by Study Instance UID and accession number. By anything else it is a question."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from radflow.model import Order, Study
from radflow.store.tables import OrderRow

_NOTHING: Mapping[str, Sequence[OrderRow]] = {}


class Owners:
    """The orders of a site, by the numbers that their images have."""

    def __init__(
        self, rows: Iterable[OrderRow], performed: Mapping[str, Sequence[OrderRow]] = _NOTHING
    ) -> None:
        """Take the orders.

        Args:
            performed: Study Instance UID → the orders that are in it, as modalities say (MPPS).
        """
        self._performed = performed
        self._by_uid: dict[str, list[OrderRow]] = {}
        self._by_accession: dict[str, list[OrderRow]] = {}
        for row in rows:
            self._by_uid.setdefault(row.study_instance_uid, []).append(row)
            self._by_accession.setdefault(row.accession_number, []).append(row)

    def of(self, study: Study) -> list[OrderRow]:
        """The orders that the study fulfils: several in a group case.

        A UID comes from the worklist, an accession number may be typed: where the two name different orders,
        the UID is right. One accession number of several patients is that of the study's patient. What the
        modality says of a group case comes in addition.
        """
        performed = self._performed.get(study.study_instance_uid, ())
        return list({row.key: row for row in (*self._by_numbers(study), *performed)}.values())

    def _by_numbers(self, study: Study) -> list[OrderRow]:
        accession = study.accession_number
        by_uid = self._by_uid.get(study.study_instance_uid, [])
        by_accession = self._by_accession.get(accession, []) if accession else []
        if by_uid and all(row.accession_number != accession for row in by_uid):
            return by_uid
        rows = list({row.key: row for row in (*by_uid, *by_accession)}.values())
        if len({row.patient_id for row in rows}) < 2:
            return rows
        if by_uid:
            patients = {row.patient_id for row in by_uid}
        else:
            patients = {row.patient_id for row in rows if study.patient_id in _identifiers(row)}
            if len(patients) > 1:
                # One Patient ID of two assigners: it is a question.
                return []
        return [row for row in rows if row.patient_id in patients]


def candidates_of(
    study: Study, orders_of: Mapping[str, Iterable[OrderRow]], zone: ZoneInfo
) -> Iterator[OrderRow]:
    """Orders of the study's patient for one of its modalities on its day; a person has to say which it is.

    Args:
        orders_of: Patient ID (0010,0020) → the orders that wait for images of whoever has it.
        zone: of the site, whose days count.
    """
    if study.started is None:
        return
    day = study.started.astimezone(zone).date()
    for row in orders_of.get(study.patient_id, ()):
        order = Order.model_validate(row.document)
        wants = {step.modality for step in order.steps}
        if day in _days(order, row, zone) and (not study.modalities or wants & set(study.modalities)):
            yield row


def _days(order: Order, row: OrderRow, zone: ZoneInfo) -> set[date]:
    """The days of its scheduled steps, or else the one of its request."""
    scheduled = {step.start for step in order.steps if step.start}
    return {at.astimezone(zone).date() for at in scheduled or {order.requested_at or row.created_at}}


def _identifiers(row: OrderRow) -> set[str]:
    return {identifier["value"] for identifier in row.document["patient"]["identifiers"]}

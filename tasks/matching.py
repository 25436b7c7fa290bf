"""Whose images they are: by Study Instance UID, or accession number and patient. All else is a question."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from radflow.model import Order, Study
from radflow.store.tables import OrderRow

_NOTHING: Mapping[str, Sequence[OrderRow]] = {}
_NOBODY: Mapping[int, Collection[str]] = {}


class Owners:
    """The orders of a site, by the numbers that their images have."""

    def __init__(
        self,
        rows: Iterable[OrderRow],
        performed: Mapping[str, Sequence[OrderRow]] = _NOTHING,
        names: Mapping[int, Collection[str]] = _NOBODY,
        *,
        accession_alone: bool = False,
    ) -> None:
        """Take the orders.

        Args:
            performed: Study Instance UID → the orders that are in it, as modalities say (MPPS).
            names: patient → their identifiers beside those of the order, as before a merge.
            accession_alone: whether an accession number counts also under a Patient ID that nobody knows to
                be the patient's.
        """
        self._performed = performed
        self._names = names
        self._accession_alone = accession_alone
        self._by_uid: dict[str, list[OrderRow]] = {}
        self._by_accession: dict[str, list[OrderRow]] = {}
        for row in rows:
            self._by_uid.setdefault(row.study_instance_uid, []).append(row)
            self._by_accession.setdefault(row.accession_number, []).append(row)

    def of(self, study: Study) -> list[OrderRow]:
        """The orders that the study fulfils: several in a group case.

        A UID comes from the worklist, an accession number may be typed: where the two name different orders,
        the UID is right, and by itself the number counts with its patient. What the modality says of a group
        case comes in addition.
        """
        performed = self._performed.get(study.study_instance_uid, ())
        return list({row.key: row for row in (*self._by_numbers(study), *performed)}.values())

    def _by_numbers(self, study: Study) -> list[OrderRow]:
        by_uid = self._by_uid.get(study.study_instance_uid, [])
        numbered = self.numbered(study)
        if not by_uid:
            return self._of_the_patient(study, numbered)
        if all(row.accession_number != study.accession_number for row in by_uid):
            return by_uid
        patients = {row.patient_id for row in by_uid}
        group = (row for row in numbered if row.patient_id in patients)
        return list({row.key: row for row in (*by_uid, *group)}.values())

    def numbered(self, study: Study) -> list[OrderRow]:
        """The orders that have its accession number, whoever their patient is."""
        return self._by_accession.get(study.accession_number, []) if study.accession_number else []

    def _of_the_patient(self, study: Study, rows: list[OrderRow]) -> list[OrderRow]:
        theirs = [row for row in rows if study.patient_id in self._identifiers(row)]
        anyones = not study.patient_id or self._accession_alone
        found = theirs or (rows if anyones else [])
        # One Patient ID of two assigners, or none: whose it is nobody knows.
        return found if len({row.patient_id for row in found}) < 2 else []

    def _identifiers(self, row: OrderRow) -> set[str]:
        named = {identifier["value"] for identifier in row.document["patient"]["identifiers"]}
        return named.union(self._names.get(row.patient_id, ()))


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

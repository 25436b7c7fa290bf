"""Patients in the store, each found by any of their identifiers at a site.

A transaction opens `Patients` on the identifiers that it is about to meet: they are asked for at once,
changed in memory, and written at once. So a hundred ADT messages cost a few statements.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import tuple_
from sqlmodel import Session, col, select

from mappings.rules.enrichment import Preference, enriched
from radflow.model import Identifier, Patient
from radflow.store.standing import Sent, Word, Words
from radflow.store.standing import sent as sent_of
from radflow.store.tables import PatientIdentifier, PatientRow

Said = Callable[[Patient | None], Patient]
"""What a message says of a patient, on top of what is known of them."""

_Key = tuple[str, str, str]
_T = TypeVar("_T", int, _Key)
_AT_ONCE = 500
"""So many identifiers are asked for in one statement, whose parameters are limited."""


@dataclass
class _Named:
    """Whom an identifier names."""

    row: PatientRow
    retired: bool = False
    stored: PatientIdentifier | None = None


class Patients:
    """The patients whom a transaction speaks of. Nothing is written before `write`."""

    def __init__(self, session: Session, wanted: Iterable[tuple[str, Identifier]]) -> None:
        """Find the patients of these identifiers, each with its site, and what else names them."""
        self._session = session
        self._named: dict[_Key, _Named] = {}
        self._documents: dict[int, Patient] = {}
        self._unwritten: list[PatientRow] = []
        self._renamed: set[_Key] = set()
        for some in _chunks({_key(site, identifier) for site, identifier in wanted}):
            self._learn(_KEY.in_(some))
        for ids in _chunks(self.ids):
            self._learn(col(PatientIdentifier.patient_id).in_(ids))
        self._words = Words(session, (named.row for named in self._named.values()))

    @property
    def ids(self) -> set[int]:
        """Of all of them that have been written."""
        return {named.row.id for named in self._named.values() if named.row.id is not None}

    def find(self, site: str, identifiers: Sequence[Identifier]) -> PatientRow | None:
        """The patient of the first identifier, or else of another one; after a merge, the survivor.

        By another one only if the patient has no other number of the first one's kind: two patients may share
        an insurance number, and are two by their medical record numbers.
        """
        first, *others = identifiers
        if named := self._named.get(_key(site, first)):
            return named.row
        for other in others:
            named = self._named.get(_key(site, other))
            if named and not any(_same_kind(first, one) for one in self.document(named.row).identifiers):
                return named.row
        return None

    def name(self, site: str, identifier: Identifier) -> Identifier:
        """The first identifier of whom this one names; itself where it names nobody yet."""
        row = self.find(site, [identifier])
        return next(iter(self.document(row).identifiers), identifier) if row else identifier

    def document(self, row: PatientRow) -> Patient:
        """The patient as they are known now."""
        if id(row) not in self._documents:
            self._documents[id(row)] = Patient.model_validate(row.document)
        return self._documents[id(row)]

    def is_retired(self, site: str, identifier: Identifier) -> bool:
        """Whether the identifier's patient has been merged into another."""
        named = self._named.get(_key(site, identifier))
        return named is not None and named.retired

    def update(
        self, site: str, identifiers: Sequence[Identifier], said: Said, *, told_by: Sent | None, now: datetime
    ) -> PatientRow:
        """The patient of these identifiers, new or known, as the message `told_by` says.

        What a message says under a retired identifier is superseded: it finds the patient and changes
        nothing. An older message than has told of the patient last adds what is not known of them.
        """
        row = self.find(site, identifiers)
        if row and self.is_retired(site, identifiers[0]):
            return row
        known = self.document(row) if row else None
        row = row or self._new(site, now)
        word = self._words.take(row, told_by) if told_by else Word.NEWEST
        if word is Word.SUPERSEDED:
            return row
        told = _as_told(word, said, known)
        for identifier in told.identifiers:
            if _key(site, identifier) not in self._named:
                self._name(site, identifier, row)
        mine = [one for one in told.identifiers if self._names(site, one, row)]
        order = _in_known_order(mine, known.identifiers if known else ())
        self._become(row, told.model_copy(update={"identifiers": order}), now)
        return row

    def merge(
        self,
        site: str,
        survivor: Sequence[Identifier],
        prior: Sequence[Identifier],
        said: Said,
        *,
        told_by: Sent,
        now: datetime,
    ) -> tuple[PatientRow, set[int]]:
        """Retire `prior`: whoever they named is the survivor from now on.

        That holds also for a merge that comes after newer news of its patients, unless its survivor has been
        merged in turn.

        Returns:
            The survivor, and the ids of the patients that were merged into them. None was where the survivor
            was unknown: the patient of the first prior identifier then goes by the survivor's.
        """
        priors = [named.row for one in prior if (named := self._named.get(_key(site, one)))]
        row = self.find(site, survivor) or next(iter(priors), None) or self._new(site, now)
        # Told late: the survivor has since been merged into another. Merged back, a prior is their name now.
        late = self.is_retired(site, survivor[0]) and not any(self._names(site, one, row) for one in prior)
        word = self._words.take(row, told_by)
        if late:
            word = Word.SUPERSEDED
        # Nobody can have taken back what was not told: the names of a survivor who is new are news.
        is_known = any(_key(site, one) in self._named for one in survivor)
        keeps_names = is_known and word is not Word.NEWEST
        absorbed = {id(other): other for other in priors if other is not row}
        merged = self._absorb(row, list(absorbed.values()), now)
        if not keeps_names:
            for identifier in survivor:
                self._name(site, identifier, row)
        # A merge back (A into B, then B into A) meets one patient: their identifiers change places.
        kept = [] if keeps_names else [_key(site, one) for one in survivor]
        for identifier in prior:
            known = self._named.get(_key(site, identifier))
            if _key(site, identifier) not in kept and not (keeps_names and known and not merged):
                self._name(site, identifier, row, retired=True)
        self._reconcile(site, row, () if keeps_names else survivor, word, said, now)
        return row, merged

    def write(self) -> None:
        """Write what has changed."""
        self._session.add_all(self._unwritten)
        self._session.flush()
        for key in sorted(self._renamed):
            self._store(key)
        self._session.flush()
        self._unwritten, self._renamed = [], set()

    def _learn(self, condition: object) -> None:
        query = select(PatientIdentifier, PatientRow).join(
            PatientRow, col(PatientRow.id) == col(PatientIdentifier.patient_id)
        )
        for stored, row in self._session.exec(query.where(condition)):  # type: ignore[arg-type]
            key = (stored.site, stored.assigner, stored.value)
            self._named.setdefault(key, _Named(row, stored.retired, stored))

    def _new(self, site: str, now: datetime) -> PatientRow:
        row = PatientRow(site=site, document={}, updated_at=now)
        self._unwritten.append(row)
        self._documents[id(row)] = Patient(identifiers=())
        return row

    def _name(self, site: str, identifier: Identifier, row: PatientRow, *, retired: bool = False) -> None:
        key = _key(site, identifier)
        named = self._named.setdefault(key, _Named(row))
        named.row, named.retired = row, retired
        self._renamed.add(key)

    def _names(self, site: str, identifier: Identifier, row: PatientRow) -> bool:
        named = self._named.get(_key(site, identifier))
        return named is not None and named.row is row and not named.retired

    def _absorb(self, row: PatientRow, others: list[PatientRow], now: datetime) -> set[int]:
        if not others:
            return set()
        self.write()
        ids = {other.id for other in others if other.id is not None}
        for key, named in self._named.items():
            if named.row in others:
                named.row = row
                self._renamed.add(key)
        for other in others:
            other.merged_into, other.updated_at = row.id, now
            self._unwritten.append(other)
        return ids

    def _reconcile(
        self,
        site: str,
        row: PatientRow,
        survivor: Sequence[Identifier],
        word: Word,
        said: Said,
        now: datetime,
    ) -> None:
        known = self.document(row)
        told = _as_told(word, said, known)
        # The survivor's own come first: the first one names the patient.
        candidates = (*survivor, *known.identifiers, *told.identifiers)
        mine = [one for one in candidates if self._names(site, one, row)]
        self._become(row, told.model_copy(update={"identifiers": _without_repeats(mine)}), now)

    def _become(self, row: PatientRow, patient: Patient, now: datetime) -> None:
        document = patient.model_dump(mode="json")
        if row.document != document:
            row.document, row.updated_at = document, now
            self._documents[id(row)] = patient

    def _store(self, key: _Key) -> None:
        named, (site, assigner, value) = self._named[key], key
        assert named.row.id is not None
        if named.stored is None:
            named.stored = PatientIdentifier(
                site=site, assigner=assigner, value=value, patient_id=named.row.id
            )
        named.stored.patient_id, named.stored.retired = named.row.id, named.retired
        self._session.add(named.stored)


_KEY = tuple_(col(PatientIdentifier.site), col(PatientIdentifier.assigner), col(PatientIdentifier.value))


def retired_of(session: Session, patient_id: int) -> list[Identifier]:
    """The identifiers that named the patient before a merge, or named another one."""
    query = select(PatientIdentifier).where(
        PatientIdentifier.patient_id == patient_id, col(PatientIdentifier.retired)
    )
    found = session.exec(query.order_by(PatientIdentifier.assigner, PatientIdentifier.value))
    return [Identifier(value=one.value, assigner=one.assigner) for one in found]


def names_of(session: Session, patient_ids: Collection[int]) -> dict[int, set[str]]:
    """Patient → the values of all their identifiers, those that a merge has retired included."""
    found: dict[int, set[str]] = {}
    for some in _chunks(set(patient_ids)):
        query = select(PatientIdentifier.patient_id, PatientIdentifier.value).where(
            col(PatientIdentifier.patient_id).in_(some)
        )
        for patient_id, value in session.exec(query):
            found.setdefault(patient_id, set()).add(value)
    return found


def of_order(
    session: Session, site: str, sent: Patient, preference: Preference, *, told_by: int | None, now: datetime
) -> tuple[int, Patient]:
    """The patient of an order: the row's id, and what the order shows of them.

    An order under a retired identifier, and one that is older than the newest ADT message, adds nothing to
    what is known. An order message is no ADT message: it supersedes none.
    """
    known = Patients(session, ((site, one) for one in sent.identifiers))
    row = known.find(site, sent.identifiers)
    late = row is not None and told_by is not None and _told_later(session, row.told_by, told_by)
    if row is None or (preference == "merge" and not late):
        row = known.update(
            site, sent.identifiers, lambda before: enriched(sent, before, "merge"), told_by=None, now=now
        )
        known.write()
    assert row.id is not None
    return row.id, sent if preference == "order" else known.document(row)


def named_now(session: Session, site: str, identifier: Identifier) -> Identifier:
    """As `Patients.name`, for one that is met alone."""
    return Patients(session, [(site, identifier)]).name(site, identifier)


def _chunks(things: Collection[_T]) -> Iterator[list[_T]]:
    ordered = sorted(things)
    return (ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE))


def _as_told(word: Word, said: Said, known: Patient | None) -> Patient:
    """The patient by what is known and what a message says: on top of it, beneath it, or not at all."""
    if known is None or word is Word.NEWEST:
        return said(known)
    if word is Word.SUPERSEDED:
        return known
    older = said(None)
    identifiers = known.identifiers + older.identifiers
    return enriched(known, older, "merge").model_copy(update={"identifiers": identifiers})


def _told_later(session: Session, newest: int | None, told_by: int) -> bool:
    """Whether the newest ADT message is later than this one."""
    if newest is None:
        return False
    when = sent_of(session, {newest, told_by})
    return when[newest].is_after(when[told_by])


def _key(site: str, identifier: Identifier) -> _Key:
    return site, identifier.assigner, identifier.value


def _same_kind(one: Identifier, other: Identifier) -> bool:
    return (one.assigner, one.type) == (other.assigner, other.type)


def _in_known_order(told: Sequence[Identifier], known: Sequence[Identifier]) -> tuple[Identifier, ...]:
    """Those that are known keep their places: senders list them in orders of their own."""
    places = {(one.assigner, one.value): place for place, one in enumerate(known)}
    return _without_repeats(sorted(told, key=lambda one: places.get((one.assigner, one.value), len(places))))


def _without_repeats(identifiers: Iterable[Identifier]) -> tuple[Identifier, ...]:
    return tuple({(one.assigner, one.value): one for one in reversed(list(identifiers))}.values())[::-1]

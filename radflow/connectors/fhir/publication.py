"""One publication to a server: look at what it has, write what it lacks, look again if others wrote too."""

from collections.abc import Sequence
from dataclasses import replace

from mappings.fhir.publishing import Entry, Memory, Outcome, Written
from mappings.fhir.references import Circular, parts
from radflow.connectors.fhir.errors import FhirConflict, FhirRefused, FhirUnavailable
from radflow.connectors.fhir.looking import Found, look
from radflow.connectors.fhir.requests import create, is_there, update, wanted, written
from radflow.connectors.fhir.rest import FhirRest, Json

ROUNDS = 4
"""How often we look again because somebody else has written, before the publication is left for later."""


class Publication:
    """The entries of an order on their way to a server."""

    def __init__(
        self,
        rest: FhirRest,
        entries: Sequence[Entry],
        memory: Memory,
        *,
        max_entries: int | None,
        matched: frozenset[str],
    ) -> None:
        self._rest = rest
        self._entries = entries
        self._memory = memory
        self._most = max_entries
        self._matched = matched
        self._found: dict[str, Found] = {}
        self._references: dict[str, str] = {}
        self.done: dict[str, Written] = {}
        """What has become of entries so far, by their names."""

    def run(self) -> None:
        """Raises FhirUnavailable, FhirRefused; `done` says what is written all the same."""
        for last in (False,) * (ROUNDS - 1) + (True,):
            try:
                self._look()
                self._write()
            except FhirConflict:
                if last:
                    raise
            else:
                return

    def _look(self) -> None:
        self._found = look(self._rest, self._entries, self._memory, self._most)
        self._references = {name: there.reference for name, there in self._found.items()}

    def _write(self) -> None:
        settled = [one for one in map(self._settled, self._entries) if one]
        self._note(settled)
        names = {one.entry.name for one in settled}
        for part in self._parts([entry for entry in self._entries if entry.name not in names]):
            answers = self._rest.write([self._request(entry) for entry in part])
            became = [written(e, a, self._found.get(e.name)) for e, a in zip(part, answers, strict=True)]
            self._note([one for one in became if one])
            self._references |= {one.entry.name: one.reference for one in became if one and one.reference}
            if not all(one and one.reference for one in became):
                # What somebody has made meanwhile, or what ours are called there, has to be learned first.
                raise FhirConflict("The FHIR server does not say what has become of the resources")

    def _parts(self, left: Sequence[Entry]) -> list[list[Entry]]:
        try:
            return parts(left, self._most)
        except Circular as error:
            raise FhirRefused(f"max_entries is too small: {error}") from None

    def _settled(self, entry: Entry) -> Written | None:
        """What becomes of an entry that needs no writing."""
        there = self._found.get(entry.name)
        if entry.resource_type in self._matched:
            if there is None:
                raise FhirUnavailable(
                    f"The FHIR server has no {entry.resource_type} with the identifier of ours yet"
                )
            return Written(entry, Outcome.MATCHED, there.reference, there.version)
        if there and is_there(entry, there, self._memory.known(entry.name), self._references):
            outcome = Outcome.WITHDRAWN if entry.withdraws else Outcome.UNCHANGED
            return Written(entry, outcome, there.reference, there.version)
        if entry.withdraws and there is None:
            return Written(entry, Outcome.WITHDRAWN)
        return None

    def _request(self, entry: Entry) -> Json:
        there = self._found.get(entry.name)
        if there is None:
            return create(entry, self._references)
        known = self._memory.known(entry.name)
        return update(self._rest.url, there, wanted(entry, there, known, self._references))

    def _note(self, became: Sequence[Written]) -> None:
        """Remember it. What we wrote before we looked again is unchanged since, and written all the same."""
        noted = [
            replace(one, outcome=before.outcome, reason=before.reason)
            if one.outcome is Outcome.UNCHANGED and (before := self.done.get(one.entry.name))
            else one
            for one in became
        ]
        self._memory.keep(noted)
        self.done |= {one.entry.name: one for one in noted}

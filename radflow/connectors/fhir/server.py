"""A FHIR R4 server over HTTP: it is looked at first, and only what it lacks is written.

So a repeat writes nothing, whether the first time was answered, lost its answer, or was cut off between two
transactions. What others write at the same time is not overwritten: updates say which version they have seen
(If-Match), creates that nothing of the kind may exist (If-None-Exist).
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from mappings.fhir.publishing import Entry, Memory, Outcome, Written, entries_of
from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.fhir.publication import Publication
from radflow.connectors.fhir.rest import FhirRest


class HttpFhirServer:
    """A server that takes transactions."""

    def __init__(
        self,
        connect: Callable[[], FhirRest],
        *,
        max_entries: int | None = None,
        matched: frozenset[str] = frozenset(),
    ) -> None:
        """Publish by a connection of its own each time.

        Args:
            max_entries: of one transaction; None where the server has no limit.
            matched: types that others write: they are looked for, and referred to.
        """
        self._connect = connect
        self._most = max_entries
        self._matched = matched

    def publish(
        self,
        bundle: dict[str, Any],
        *,
        order_key: str,
        day: date,
        memory: Memory,
        withdrawn: Sequence[Entry] = (),
    ) -> list[Written]:
        """Write what the server lacks; returns what has become of each entry, in their order.

        Raises:
            Unavailable: it may work later. What is written is remembered, and is not written again.
            Refused: the server has said no.
        """
        entries = [*entries_of(bundle), *withdrawn]
        with self._connect() as rest:
            publication = Publication(rest, entries, memory, max_entries=self._most, matched=self._matched)
            try:
                publication.run()
            except (Unavailable, Refused) as error:
                outcome = Outcome.UNAVAILABLE if isinstance(error, Unavailable) else Outcome.REFUSED
                left = [entry for entry in entries if entry.name not in publication.done]
                memory.keep([Written(entry, outcome, reason=str(error)) for entry in left])
                raise
        return [publication.done[entry.name] for entry in entries]

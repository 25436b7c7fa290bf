"""An order's result at every FHIR destination of its site. One that fails does not hold up the others."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from mappings.fhir.publishing import Known, Outcome, Written, entries_of
from radflow.clock import utc_now
from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.fhir import FhirRefused, FhirUnavailable, open_fhir
from radflow.settings import ConfigError, FhirDestination, settings
from radflow.store import publications
from radflow.store.engine import store
from radflow.store.tables import PublicationRow
from tasks.around import read_around
from tasks.fhir_wanted import Wanted, standing, wanted_by
from tasks.result import Result, read_result

log = structlog.get_logger()


def publish_result(order_key: str, *, anew: bool = False) -> dict[str, Any]:
    """Publish the order as the store has it now; what a destination has already is not written again.

    Args:
        anew: also ask destinations that have all of it, as for a server whose data were lost.

    Returns:
        `published`: `Type/id` of each resource, destination by destination; `outcomes`: how many entries were
        created, updated, unchanged or matched at each.

    Raises:
        FhirInvalid: the resources are not valid R4; nothing was sent.
        FhirUnavailable: a destination may take it later. What the others have is written and kept.
        FhirRefused: a destination has said no, and none is to be tried again.
    """
    result = read_result(order_key)
    return _publish(result, result.site.fhir, anew=anew)


def publish_change(order_key: str) -> dict[str, Any]:
    """Bring up to date what destinations have of an order that has no result (any more).

    One that has nothing of the order is told nothing, unless it wants to know where orders stand
    (`order_status`). Returns and raises as `publish_result` does.
    """
    result = read_result(order_key)
    with store().read() as session:
        having = {row.destination for row in publications.of_order(session, order_key) if row.reference}
    concerned = [one for one in result.site.fhir if one.order_status or one.name in having]
    return _publish(result, concerned) if concerned else {}


def _publish(
    result: Result, destinations: Sequence[FhirDestination], *, anew: bool = False
) -> dict[str, Any]:
    result = standing(result)
    around = read_around(result)
    wanted = {one.name: wanted_by(one, result, around) for one in destinations}
    published: list[str] = []
    outcomes: dict[str, dict[str, int]] = {}
    failures: dict[str, Unavailable | Refused] = {}
    for destination in destinations:
        try:
            rows = _publish_to(destination, wanted[destination.name], result, anew=anew)
        except (Unavailable, Refused) as error:
            failures[destination.name] = error
        else:
            published += [row.reference for row in rows]
            outcomes[destination.name] = dict(Counter(row.outcome for row in rows))
    if failures:
        raise _together(failures)
    return {"published": published, "outcomes": outcomes}


def _publish_to(
    destination: FhirDestination, wanted: Wanted, result: Result, *, anew: bool
) -> Sequence[PublicationRow]:
    """Publish, unless this destination has it all; what it has in the end."""
    order_key, digests, rows = result.order.key, wanted.digests, wanted.rows
    if anew or wanted.withdrawn or not publications.are_done(rows, digests, result.revision):
        memory = StoredMemory(order_key, destination.name, result.revision, publications.known(rows))
        with _failing_as_refused_or_unavailable(memory, wanted.bundle):
            fhir = open_fhir(destination, settings().fhir_path(result.site))
            fhir.publish(
                wanted.bundle,
                order_key=order_key,
                day=result.day,
                memory=memory,
                withdrawn=wanted.withdrawn,
            )
        with store().read() as session:
            rows = publications.of_order(session, order_key, destination.name)
    return [row for row in rows if row.name in digests]


@contextmanager
def _failing_as_refused_or_unavailable(memory: "StoredMemory", bundle: dict[str, Any]) -> Iterator[None]:
    """So that no failure, foreseen or not, keeps the other destinations from being written."""
    try:
        yield
    except (Unavailable, Refused):
        raise
    except Exception as error:
        # The text of an unforeseen error may hold patient data; its type does not.
        log.debug("publishing failed", exc_info=True)
        refused = isinstance(error, ConfigError)
        outcome = Outcome.REFUSED if refused else Outcome.UNAVAILABLE
        reason = str(error) if refused else f"unforeseen {type(error).__name__}"
        memory.keep([Written(entry, outcome, reason=reason) for entry in entries_of(bundle)])
        raise (FhirRefused(reason) if refused else FhirUnavailable(reason)) from error


@dataclass
class StoredMemory:
    """What the store remembers of an order's resources at a destination."""

    order_key: str
    destination: str
    revision: int
    _known: dict[str, Known] = field(default_factory=dict)

    def known(self, name: str) -> Known | None:
        return self._known.get(name)

    def keep(self, written: Sequence[Written]) -> None:
        with store().write() as session:
            publications.save(
                session, self.order_key, self.destination, written, revision=self.revision, now=utc_now()
            )
        with store().read() as session:
            rows = publications.of_order(session, self.order_key, self.destination)
        self._known = publications.known(rows)


def _together(failures: dict[str, Unavailable | Refused]) -> FhirUnavailable | FhirRefused:
    """One failure of them all. As long as one of them may work later, the step is tried again."""
    text = "; ".join(f"{name}: {error}" for name, error in failures.items())
    waits = [error.retry_after for error in failures.values() if isinstance(error, Unavailable)]
    if not waits:
        return FhirRefused(text)
    later = FhirUnavailable(text)
    later.retry_after = max(waits, default=timedelta(0))
    return later

"""What a FHIR destination is to have of an order, and what it has had and is to have marked."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mappings.fhir.patient import patient, replaced_by
from mappings.fhir.publishing import Entry, Outcome, entries_of
from mappings.fhir.r5 import as_r5
from mappings.fhir.result import Around, name_of
from mappings.fhir.standing import standing_report, standing_studies, withdrawal
from mappings.fhir.transaction import result_transaction
from radflow.connectors.fhir import check
from radflow.model import Patient
from radflow.settings import FhirDestination
from radflow.store import publications
from radflow.store.engine import store
from radflow.store.tables import PublicationRow
from tasks.result import Result


@dataclass(frozen=True)
class Wanted:
    """A transaction, and what was published and is no longer part of it."""

    bundle: dict[str, Any]
    withdrawn: Sequence[Entry]
    rows: Sequence[PublicationRow]
    """What the destination has of the order so far."""
    digests: dict[str, str]
    """Of the transaction's entries, by their names."""


def standing(result: Result) -> Result:
    """The result without what is none where the order stands."""
    report = standing_report(result.report, result.state, was_final=result.was_final)
    return replace(result, studies=standing_studies(result.studies, result.state), report=report)


def wanted_by(destination: FhirDestination, result: Result, around: Around) -> Wanted:
    """Raises FhirInvalid: the resources are not valid."""
    order, base = result.order, result.site.identifier_system
    retired = _retired_patients(result, base) if destination.writes_patients else []
    with store().read() as session:
        rows = publications.of_order(session, order.key, destination.name)
        replaced = publications.references(session, destination.name, retired)
    bundle = result_transaction(
        order, result.studies, result.report, state=result.state, identifier_system=base,
        around=replace(around, replaced=replaced, with_task=destination.order_status),
    )  # fmt: skip
    if destination.fhir_version == "R5":
        bundle = as_r5(bundle)
    check(bundle, destination.fhir_version)
    digests = {entry.name: entry.digest for entry in entries_of(bundle)}
    survivor = name_of(patient(order.patient, base))
    withdrawn = [*_withdrawn(result, rows, digests), *_replaced(rows, retired, survivor)]
    return Wanted(bundle, withdrawn, rows, digests)


def _withdrawn(result: Result, rows: Sequence[PublicationRow], names: Collection[str]) -> list[Entry]:
    with store().read() as session:
        left = publications.to_withdraw(session, rows, names)
    return [withdrawal(row.name, row.resource_type, result.state, was_final=result.was_final) for row in left]


def _replaced(rows: Sequence[PublicationRow], retired: Collection[str], survivor: str) -> list[Entry]:
    """The Patients of this order's earlier publications, unless they are marked already."""
    content = replaced_by(survivor)
    entries = [(row, Entry(row.name, content, "", withdraws=True)) for row in rows if row.name in retired]
    return [
        entry
        for row, entry in entries
        if row.reference and (row.outcome, row.digest) != (Outcome.WITHDRAWN, entry.digest)
    ]


def _retired_patients(result: Result, base: str) -> list[str]:
    """Names of the Patients as whom the order's patient may have been published before a merge."""
    return [name_of(patient(Patient(identifiers=(one,)), base)) for one in result.retired]

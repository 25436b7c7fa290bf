"""An order's result as one FHIR transaction: Patient, ServiceRequest, ImagingStudy…, DiagnosticReport, ….

Every entry is a conditional update by the resource's first identifier, so the first publication creates
the resources and any repeat meets the same ones. Entries refer to each other by `fullUrl`, which is the
same at every repeat.
"""

from collections.abc import Sequence
from typing import Any

from mappings.fhir.identifiers import search_by_identifier
from mappings.fhir.result import Around, result_resources
from radflow.model import Order, Report, Study
from radflow.order import State


def result_transaction(
    order: Order,
    studies: Sequence[Study],
    report: Report | None,
    *,
    state: State,
    identifier_system: str,
    around: Around | None = None,
) -> dict[str, Any]:
    """The Bundle. Without a report or without studies their entries are left out.

    `state` is where the order stands; `identifier_system` is the site's base URI for systems that are
    named by neither an OID nor a URI. `around` is what else is known: see `result_resources`. The same input
    gives the same bundle.
    """
    resources = result_resources(order, studies, report, state=state, base=identifier_system, around=around)
    entries = [
        {
            "fullUrl": name,
            "resource": resource,
            "request": {"method": "PUT", "url": search_by_identifier(resource)},
        }
        for name, resource in resources.items()
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}

"""An order's result as one FHIR transaction: Patient, ServiceRequest, ImagingStudy…, DiagnosticReport.

Every entry is a conditional update by the resource's first identifier, so the first publication creates
the resources and any repeat meets the same ones. Entries refer to each other by `fullUrl`, which is the
same at every repeat.
"""

from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from mappings.fhir.datatypes import Element
from mappings.fhir.diagnostic_report import diagnostic_report
from mappings.fhir.identifiers import search_by_identifier
from mappings.fhir.imaging_study import imaging_study
from mappings.fhir.patient import patient
from mappings.fhir.service_request import service_request
from radflow.model import Order, Report, Study
from radflow.order import State


def result_transaction(
    order: Order, studies: Sequence[Study], report: Report | None, *, state: State, identifier_system: str
) -> dict[str, Any]:
    """The Bundle. Without a report or without studies their entries are left out.

    `state` is where the order stands; `identifier_system` is the site's base URI for systems that are
    named by neither an OID nor a URI. The same input gives the same bundle.
    """
    base = identifier_system
    patient_ = _entry(patient(order.patient, base))
    subject = patient_["fullUrl"]
    request = _entry(service_request(order, state, subject=subject, base=base))
    based_on = request["fullUrl"]
    images = [
        _entry(imaging_study(study, order, subject=subject, based_on=based_on, base=base))
        for study in sorted(studies, key=lambda study: study.study_instance_uid)
    ]
    entries = [patient_, request, *images]
    if report:
        resource = diagnostic_report(
            report, order, studies,
            subject=subject, based_on=based_on, base=base,
            imaging_studies=[entry["fullUrl"] for entry in images],
        )  # fmt: skip
        entries.append(_entry(resource))
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _entry(resource: Element) -> Element:
    """A conditional update; `fullUrl` is the resource's temporary name inside the bundle (RFC 4122 §4.3)."""
    url = search_by_identifier(resource)
    return {
        "fullUrl": f"urn:uuid:{uuid5(NAMESPACE_URL, url)}",
        "resource": resource,
        "request": {"method": "PUT", "url": url},
    }

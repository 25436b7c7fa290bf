"""DiagnosticReport: reports that were fetched from a FHIR server come to their orders, as an ORU does."""

from collections.abc import Sequence
from datetime import datetime

from mappings.fhir.received import Resource
from mappings.fhir.report_source import Collection, read_report
from radflow.model import Report
from radflow.settings import Site


def read(collection: Collection, site: Site) -> Sequence[Report]:
    """The one report of it. Raises NotAReport as `read_report` does."""
    return [read_report(collection, site=site.name, base=site.identifier_system)]


def changed_at(collection: Collection) -> datetime | None:
    """When its server has changed it."""
    return collection.report.meta.lastUpdated


def patient_numbers(collection: Collection) -> frozenset[str]:
    """The identifiers of the Patient it is of, to find it by."""
    patient = collection.find(collection.report.subject, Resource)
    return frozenset(one.value for one in patient.identifier) if patient else frozenset()

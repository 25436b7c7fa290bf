"""Everything of an order's result as FHIR resources that refer to each other.

A resource is named by the URL that finds it, so its name is the same at every repeat and can be referred to
before the resource itself is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, uuid5

from mappings.fhir.datatypes import Element
from mappings.fhir.diagnostic_report import diagnostic_report
from mappings.fhir.document_reference import document_reference
from mappings.fhir.encounter import encounter, location
from mappings.fhir.endpoint import endpoint
from mappings.fhir.identifiers import search_by_identifier
from mappings.fhir.imaging_study import imaging_study
from mappings.fhir.observation import observations
from mappings.fhir.patient import patient
from mappings.fhir.people import (
    organization_resource,
    practitioner_reference,
    practitioner_resource,
    practitioner_role,
)
from mappings.fhir.provenance import SourceMessage, provenance
from mappings.fhir.service_request import service_request
from mappings.fhir.sr_observation import sr_observations
from mappings.fhir.task import order_task
from radflow.findings import StructuredReport
from radflow.model import Order, Practitioner, Report, Study, Visit
from radflow.order import State

_FIRST = ("Patient", "ServiceRequest", "ImagingStudy", "DiagnosticReport")
"""The order in which resources are listed; the others follow."""


@dataclass(frozen=True)
class Around:
    """What is known around an order, its studies and its report."""

    structured_reports: Sequence[StructuredReport] = ()
    """DICOM SR documents of the studies."""
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Name of an archive → its DICOMweb root, where it has one."""
    fellows: Sequence[tuple[Order, State]] = ()
    """Other orders of the same patient that the studies fulfil too."""
    order_messages: Sequence[SourceMessage] = ()
    result_messages: Sequence[SourceMessage] = ()
    replaced: Sequence[str] = ()
    """The Patients, as the destination calls them, that have been merged into the order's patient."""
    with_task: bool = False
    """Whether a Task tells where the order stands."""


def result_resources(
    order: Order,
    studies: Sequence[Study],
    report: Report | None,
    *,
    state: State,
    base: str,
    around: Around | None = None,
) -> dict[str, Element]:
    """Name → resource. Without `around` the four that every receiver knows, and physicians by identifier.

    Args:
        order: as it is now.
        studies: its studies, in any order.
        report: its newest report.
        state: where the order stands.
        base: the site's URI for systems of identifiers.
        around: what else is known; then physicians, places and findings are resources of their own.
    """
    writer = _Writer(base, around)
    writer.write(order, sorted(studies, key=lambda study: study.study_instance_uid), report, state)
    return dict(sorted(writer.resources.items(), key=lambda item: _rank(item[1]["resourceType"])))


def _rank(resource_type: str) -> int:
    return _FIRST.index(resource_type) if resource_type in _FIRST else len(_FIRST)


def name_of(resource: Element) -> str:
    """The resource's temporary name inside a bundle (RFC 4122 §4.3)."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, search_by_identifier(resource))}"


@dataclass(frozen=True)
class _Names:
    """What the resources of one order refer to."""

    subject: str
    visit: str | None
    request: str
    requests: Sequence[str]
    """Of all orders that the studies fulfil."""


class _Writer:
    """Collects the resources of one result."""

    def __init__(self, base: str, around: Around | None) -> None:
        self._base = base
        self._whole = around is not None
        self._around = around or Around()
        self.resources: dict[str, Element] = {}

    def write(self, order: Order, studies: Sequence[Study], report: Report | None, state: State) -> None:
        subject = self._add(patient(order.patient, self._base, self._who, replaces=self._around.replaced))
        visit = self._encounter(order, subject)
        orders = sorted([(order, state), *self._around.fellows], key=lambda pair: pair[0].key)
        requests = {
            each.key: self._request(each, its_state, subject, visit if each is order else None)
            for each, its_state in orders
        }
        names = _Names(subject, visit, requests[order.key], list(requests.values()))
        images = {
            study.study_instance_uid: self._study(study, orders[0][0], report, names) for study in studies
        }
        results = self._results(order, studies, report, names, images)
        if self._around.with_task:
            self._add(
                order_task(
                    order, state, subject=subject, request=names.request, encounter=visit, base=self._base
                )
            )
        if self._whole:
            self._provenances(order, report, names.request, results, list(images.values()))

    def _who(self, practitioner: Practitioner) -> Element:
        """A physician with an identifier is a resource of their own, where resources are wanted."""
        reference = practitioner_reference(practitioner, self._base)
        resource = practitioner_resource(practitioner, self._base) if self._whole else {}
        if not resource:
            return reference
        return {"reference": self._add(resource), "display": reference["display"]}

    def _encounter(self, order: Order, subject: str) -> str | None:
        if not self._whole:
            return None
        place = location((order.visit or Visit()).location, self._base)
        where = name_of(place) if place else None
        resource = encounter(order, subject=subject, who=self._who, where=where, base=self._base)
        if resource and place:
            self._add(place)
        return self._add(resource) if resource else None

    def _request(self, order: Order, state: State, subject: str, visit: str | None) -> str:
        resource = service_request(
            order, state, subject=subject, base=self._base, who=self._who,
            requester=self._requester(order), encounter=visit,
        )  # fmt: skip
        return self._add(resource)

    def _requester(self, order: Order) -> Element | None:
        """The physician at the ordering facility (ORC-12, ORC-21), where both are told."""
        facility, physician = order.details.ordering_facility, order.requesting_physician
        place = organization_resource(facility, self._base) if self._whole else {}
        if not place:
            return None
        who, where = self._who(physician), {"reference": name_of(place)}
        role = practitioner_role(physician, facility, who=who, where=where, base=self._base)
        if not role:
            return None
        self._add(place)
        return {"reference": self._add(role), "display": who["display"]}

    def _study(self, study: Study, first: Order, report: Report | None, names: _Names) -> str:
        """Of several orders, the same whichever of them is published: what differs is left out."""
        shared = len(names.requests) > 1
        url = self._around.endpoints.get(study.archive)
        where = endpoint(study.archive, url, site=first.site, base=self._base) if url else None
        resource = imaging_study(
            study, first, subject=names.subject, based_on=names.requests, base=self._base, who=self._who,
            readers=[report.interpreter] if report and not shared else [],
            endpoint=self._add(where) if where else None, encounter=None if shared else names.visit,
            titles=_titles(self._around.structured_reports),
        )  # fmt: skip
        return self._add(resource)

    def _results(
        self,
        order: Order,
        studies: Sequence[Study],
        report: Report | None,
        names: _Names,
        images: Mapping[str, str],
    ) -> list[str]:
        """Names of the report, its observations and documents."""
        found = self._observations(order, report, names, images)
        if report is None:
            return found
        counted = [name for name in found if self.resources[name]["status"] != "entered-in-error"]
        resource = diagnostic_report(
            report, order, studies, subject=names.subject, based_on=names.request,
            imaging_studies=list(images.values()), base=self._base, who=self._who,
            encounter=names.visit, results=counted,
        )  # fmt: skip
        return [self._add(resource), *found, *self._documents(order, report, names, images)]

    def _documents(self, order: Order, report: Report, names: _Names, images: Mapping[str, str]) -> list[str]:
        attachments = report.attachments if self._whole else ()
        documents = (
            document_reference(
                document, number, report, order, subject=names.subject, who=self._who,
                encounter=names.visit, related=[names.request, *images.values()], base=self._base,
            )
            for number, document in enumerate(attachments, start=1)
        )  # fmt: skip
        return [self._add(one) for one in documents]

    def _observations(
        self, order: Order, report: Report | None, names: _Names, images: Mapping[str, str]
    ) -> list[str]:
        written: list[Element] = []
        if report and self._whole:
            written += observations(
                report, order, subject=names.subject, based_on=names.request,
                derived_from=list(images.values()), who=self._who, encounter=names.visit, base=self._base,
            )  # fmt: skip
        for document in self._around.structured_reports:
            seen = [document.study_instance_uid, *(one.study_instance_uid for one in document.evidence)]
            written += sr_observations(
                document, subject=names.subject, based_on=names.request,
                derived_from=[images[uid] for uid in dict.fromkeys(seen) if uid in images],
                encounter=names.visit, base=self._base,
            )  # fmt: skip
        return [self._add(one) for one in written]

    def _provenances(
        self,
        order: Order,
        report: Report | None,
        request: str,
        results: Sequence[str],
        images: Sequence[str],
    ) -> None:
        around, details = self._around, order.details
        if around.order_messages:
            agents = [
                ("enterer", details.entered_by),
                ("verifier", details.verified_by),
                ("author", order.requesting_physician),
            ]
            self._add(
                provenance(
                    "order", order.key, [request], messages=around.order_messages, agents=agents,
                    on_behalf_of=details.entering_organization,
                    who=self._who, base=self._base,
                )
            )  # fmt: skip
        # A report that lies in the archive was brought by no message.
        written = report.issued if report and report.source == "sr" else None
        if results and (around.result_messages or written):
            documents = [one.sop_instance_uid for one in around.structured_reports]
            self._add(
                provenance(
                    "result", order.key, results, messages=around.result_messages, recorded=written,
                    studies=images, documents=documents, who=self._who, base=self._base,
                )
            )  # fmt: skip

    def _add(self, resource: Element) -> str:
        name = name_of(resource)
        self.resources.setdefault(name, resource)
        return name


def _titles(documents: Sequence[StructuredReport]) -> dict[str, str]:
    """SOP Instance UID → title: of each document, and of each image that a key object selection names."""
    titles: dict[str, str] = {}
    for document in documents:
        title = document.title.display if document.title else ""
        titles[document.sop_instance_uid] = title
        for image in document.key_images.references if document.key_images else ():
            titles.setdefault(image.sop_instance_uid, f"Key image: {title}" if title else "Key image")
    return titles

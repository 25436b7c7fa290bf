"""Order → ServiceRequest (v2-to-FHIR: ORC[ServiceRequest], OBR[ServiceRequest], NTE, TQ1)."""

from collections.abc import Iterable

from mappings.fhir.codes import request_priority, service_request_status
from mappings.fhir.contacts import contact_point
from mappings.fhir.datatypes import (
    Element,
    annotation,
    codeable_concept,
    filled,
    instant,
)
from mappings.fhir.identifiers import identifier, order_identifiers, own_identifier
from mappings.fhir.people import Who, practitioner_reference
from radflow.model import Order, Practitioner
from radflow.order import State

IMAGING = {
    "coding": [{"system": "http://snomed.info/sct", "code": "363679005", "display": "Imaging"}],
    "text": "Imaging",
}
"""ServiceRequest.category, from value set servicerequest-category."""

STATUS_REASON = "http://hl7.org/fhir/StructureDefinition/request-statusReason"
CALLBACK = "http://hl7.org/fhir/StructureDefinition/servicerequest-order-callback-phone-number"


def service_request(
    order: Order,
    state: State,
    *,
    subject: str,
    base: str,
    who: Who | None = None,
    requester: Element | None = None,
    encounter: str | None = None,
) -> Element:
    """The ServiceRequest of the patient that `subject` refers to.

    Args:
        order: as it is now.
        state: where it stands; it follows from ORC-1 and ORC-5, and from what has become of the order.
        subject: refers to the Patient.
        base: the site's URI for systems of identifiers.
        who: refers to physicians; by identifier and name where it is left out.
        requester: refers to the physician at the ordering facility, where that is known.
        encounter: refers to the Encounter.
    """

    def refer(physician: Practitioner) -> Element:
        return who(physician) if who else practitioner_reference(physician, base)

    details, step = order.details, order.steps[0] if order.steps else None
    performers = (refer(one.performing_physician) for one in order.steps)
    group = details.group_number
    return filled(
        {
            "resourceType": "ServiceRequest",
            "meta": {"security": codeable_concept(details.confidentiality, base).get("coding")},
            "extension": [
                *_extension(
                    STATUS_REASON, "valueCodeableConcept", codeable_concept(details.status_reason, base)
                ),
                *(
                    extension
                    for number in details.callback
                    for extension in _extension(CALLBACK, "valueContactPoint", contact_point(number, "work"))
                ),
            ],
            "identifier": [
                own_identifier("order", order.key, base),
                *order_identifiers(order, base),
                _alternate(order, base),
            ],
            "requisition": identifier(group, "PGN", base) if group else None,
            "status": service_request_status(state),
            "intent": "order",
            "category": [IMAGING],
            "priority": request_priority(order.priority),
            "code": codeable_concept(order.procedure, base),
            "orderDetail": [codeable_concept(each, base) for each in details.procedure_modifiers],
            "subject": {"reference": subject},
            "encounter": {"reference": encounter} if encounter else None,
            "occurrenceDateTime": instant(step.start) if step else None,
            "authoredOn": instant(order.requested_at),
            "requester": requester or refer(order.requesting_physician) or refer(order.referring_physician),
            "performer": _each_once(performers),
            "locationCode": _each_once({"text": one.location} for one in order.steps if one.location),
            "reasonCode": _reasons(order, base),
            "note": [annotation(note) for note in (details.clinical_information, *details.notes) if note],
        }
    )


def _reasons(order: Order, base: str) -> list[Element]:
    """OBR-31, each with its code; or the reason in words, OBR-31.2 or OBR-13."""
    coded = [codeable_concept(reason, base) for reason in order.details.reasons]
    return coded or [{"text": order.reason}]


def _alternate(order: Order, base: str) -> Element:
    number = order.details.alternate_placer_number
    return identifier(number, "PLAC", base) if number else {}


def _extension(url: str, name: str, value: Element) -> list[Element]:
    return [{"url": url, name: value}] if filled(value) else []


def _each_once(elements: Iterable[Element]) -> list[Element]:
    found: list[Element] = []
    for element in elements:
        if element and element not in found:
            found.append(element)
    return found

"""Order → ServiceRequest (v2-to-FHIR: ORC[ServiceRequest], OBR[ServiceRequest])."""

from mappings.fhir.codes import request_priority, service_request_status
from mappings.fhir.datatypes import Element, codeable_concept, filled, instant
from mappings.fhir.identifiers import order_identifiers, own_identifier
from mappings.fhir.practitioner import practitioner_reference
from radflow.model import Order
from radflow.order import State

IMAGING = {
    "coding": [{"system": "http://snomed.info/sct", "code": "363679005", "display": "Imaging"}],
    "text": "Imaging",
}
"""ServiceRequest.category, from value set servicerequest-category."""


def service_request(order: Order, state: State, *, subject: str, base: str) -> Element:
    """The ServiceRequest of the patient that `subject` refers to."""
    requester = practitioner_reference(order.requesting_physician, base)
    return filled(
        {
            "resourceType": "ServiceRequest",
            "identifier": [own_identifier("order", order.key, base), *order_identifiers(order, base)],
            "status": service_request_status(state),
            "intent": "order",
            "category": [IMAGING],
            "priority": request_priority(order.priority),
            "code": codeable_concept(order.procedure, base),
            "subject": {"reference": subject},
            "occurrenceDateTime": instant(order.steps[0].start) if order.steps else None,
            "authoredOn": instant(order.requested_at),
            "requester": requester or practitioner_reference(order.referring_physician, base),
            "reasonCode": [{"text": order.reason}],
        }
    )

"""Where an order stands → Task (R4 §12.4), for those who follow requests by their tasks."""

from mappings.fhir.codes import request_priority, task_status
from mappings.fhir.datatypes import Element, filled, instant
from mappings.fhir.identifiers import own_identifier, under
from radflow.model import Order
from radflow.order import State

_FULFIL = {
    "coding": [
        {
            "system": "http://hl7.org/fhir/CodeSystem/task-code",
            "code": "fulfill",
            "display": "Fulfill the focal request",
        }
    ]
}


def order_task(
    order: Order, state: State, *, subject: str, request: str, encounter: str | None, base: str
) -> Element:
    """The Task that fulfils the ServiceRequest that `request` refers to; its business status is our state."""
    standing = {"system": under(base, "order-state"), "code": state.value}
    return filled(
        {
            "resourceType": "Task",
            "identifier": [own_identifier("task", order.key, base)],
            "status": task_status(state),
            "businessStatus": {"coding": [standing], "text": state.value},
            "intent": "order",
            "priority": request_priority(order.priority),
            "code": _FULFIL,
            "focus": {"reference": request},
            "for": {"reference": subject},
            "encounter": {"reference": encounter} if encounter else None,
            "authoredOn": instant(order.requested_at),
        }
    )

"""Tell those who take HL7: the result, the order, its status. Each message is queued; the sender sends it."""

from collections.abc import Sequence
from itertools import dropwhile
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from mappings.hl7.order_messages import order_message
from mappings.hl7.results import result_message
from mappings.hl7.sr_results import measured
from mappings.hl7.statuses import ENDS, STATUS_CHANGED, OrderStatus, control_of, status_of
from mappings.hl7.written_segments import Envelope
from radflow.clock import utc_now
from radflow.connectors.errors import Refused
from radflow.model import Order, ReportedObservation
from radflow.order import ACQUISITION_EVENTS, WORK_EVENTS, Event, State, control_id
from radflow.settings import Destination, Site, settings
from radflow.store import orders, outbox, structured_reports
from radflow.store.engine import store
from radflow.store.outbox import UNSENT, QueueState
from radflow.store.tables import OrderEvent, OrderRow
from tasks.order import read_row
from tasks.result import Result, read_result
from tasks.waiting import Waiting

_NO_OTHER_RESULT = frozenset({Event.STUDY_CHANGED, Event.REPORT_KEPT})
"""News that are published, and change nothing of what an EHR was sent."""


@task(name="send_result", cache_policy=NO_CACHE)
def send_result(order_key: str) -> dict[str, list[str]]:
    """Queue the result as ORU^R01 (IHE RAD-28) for each destination that takes results.

    It has the same MSH-10 whenever this revision is queued again. Other images alone are none of its matter.
    """
    row, result = read_row(order_key), read_result(order_key)
    if result.report is None or _has_this_result(order_key):
        return {}
    takers = _takers(result.site, "results")
    found = _measured(result) if any(one.results_as.observations == "all" for one in takers) else []
    # A study that is in two archives is one study.
    studies = list(dict.fromkeys(study.study_instance_uid for study in result.studies))
    for destination in takers:
        envelope = envelope_for(result.site, destination, _result_id(row, destination))
        payload = result_message(
            result.order,
            result.report,
            envelope,
            studies=studies,
            wanted=destination.results_as,
            measured=found,
        )
        _queue(row, destination, "ORU^R01", envelope, payload, awaited=True)
    return {"queued": [destination.name for destination in takers]}


@task(name="confirm_delivery", cache_policy=NO_CACHE)
def confirm_delivery(order_key: str) -> dict[str, list[str]] | Waiting:
    """See that every destination has acknowledged the result of this revision.

    Raises:
        Refused: one has answered AE or AR; its message is parked until a person has it sent again or skipped.
    """
    row = read_row(order_key)
    takers = _takers(settings().site(row.site), "results")
    with store().read() as session:
        messages = outbox.of_order(
            session, order_key, [_result_id(row, destination) for destination in takers]
        )
    if refused := [m for m in messages if m.state == QueueState.PARKED]:
        raise Refused("; ".join(f"{message.destination}: {message.answer}" for message in refused))
    if unsent := [message.destination for message in messages if message.state in UNSENT]:
        return Waiting(f"not yet delivered to {', '.join(unsent)}")
    return {"delivered": [m.destination for m in messages if m.state == QueueState.SENT]}


@task(name="tell_receivers", cache_policy=NO_CACHE)
def tell_receivers(order_key: str) -> dict[str, str | int]:
    """Queue the order for those who take orders (RAD-4, RAD-13), its status for those who take that.

    What they know already is not told again. The order does not wait for the delivery.
    """
    with store().read() as session:
        # The log first: what is told is at least as new as what it is told for.
        log = orders.events_of(session, order_key)
        row = session.get_one(OrderRow, order_key)
    site, order = settings().site(row.site), Order.model_validate(row.document)
    told = [line for line in log if line.step == "tell_receivers" and line.event == Event.STEP_COMPLETED]
    # What came while the step was done last is after what it had seen, and before its own line.
    seen = told[-1].detail.get("seen", 0) if told else 0
    news = [Event(line.event) for line in log if (line.id or 0) > seen]
    control = control_of(news, told_before=_knew_of_it(told))
    status = status_of(State(row.state))
    if control:
        for destination in _takers(site, "orders"):
            _tell(row, order, site, destination, control, status)
    if status and status.order != _last(told, "status"):
        for destination in _takers(site, "status"):
            if not (control and "orders" in destination.takes):
                _tell(row, order, site, destination, STATUS_CHANGED, status)
    return {
        "control": control or _last(told, "control"),
        "status": status.order if status else _last(told, "status"),
        "seen": log[-1].id or 0,
    }


def _measured(result: Result) -> list[ReportedObservation]:
    """What DICOM SR documents of the order's studies say in numbers and codes."""
    uids = [study.study_instance_uid for study in result.studies]
    with store().read() as session:
        return measured(structured_reports.of_order(session, result.order.key, uids))


def _has_this_result(order_key: str) -> bool:
    """Whether the result has been delivered, and nothing has come since that is another one."""
    with store().read() as session:
        log = [Event(line.event) for line in orders.events_of(session, order_key)]
    news = [event for event in log if event not in WORK_EVENTS | ACQUISITION_EVENTS]
    before = list(dropwhile(lambda event: event in _NO_OTHER_RESULT, reversed(news)))
    return len(before) < len(news) and before[:1] == [Event.PUBLISHED]


def _tell(
    row: OrderRow,
    order: Order,
    site: Site,
    destination: Destination,
    control: str,
    status: OrderStatus | None,
) -> None:
    name = control_id(row.key, f"{destination.name}:{control}", row.revision)
    envelope = envelope_for(site, destination, name)
    payload = order_message(
        order,
        control,
        envelope,
        structure=destination.orders_as,
        version=destination.version,
        status=status or OrderStatus("", ""),
    )
    _queue(row, destination, destination.orders_as, envelope, payload)


def _queue(
    row: OrderRow,
    destination: Destination,
    message_type: str,
    envelope: Envelope,
    payload: bytes,
    *,
    awaited: bool = False,
) -> None:
    with store().write() as session:
        outbox.queue(
            session,
            site=row.site,
            destination=destination.name,
            queue=outbox.queue_of_patient(Order.model_validate(row.document).patient.identifiers[0]),
            message_type=message_type,
            control_id=envelope.control_id,
            payload=payload,
            now=envelope.now,
            order_key=row.key,
            awaited=awaited,
        )


def envelope_for(site: Site, destination: Destination, name: str) -> Envelope:
    """The header of a message to this destination, sent now; `name` is its MSH-10."""
    return Envelope(
        control_id=name,
        now=utc_now(),
        zone=site.zone,
        sending=(site.application, site.facility),
        receiving=(destination.receiving_application, destination.receiving_facility),
    )


def _result_id(row: OrderRow, destination: Destination) -> str:
    return control_id(row.key, destination.name, row.revision)


def _takers(site: Site, what: str) -> list[Destination]:
    return [destination for destination in site.destinations if what in destination.takes]


def _knew_of_it(told: Sequence[OrderEvent]) -> bool:
    """One that they were told is over, and that goes on after all, is a new one to them."""
    return _last(told, "control") not in ("", *ENDS)


def _last(told: Sequence[OrderEvent], name: str) -> str:
    """What the step noted when it was completed last; empty when it never was."""
    detail: dict[str, Any] = told[-1].detail if told else {}
    return str(detail.get(name, ""))

"""Hand an order's result to those who wait for it: FHIR, the EHR, the warehouse. One task each."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from mappings.fhir.transaction import result_transaction
from mappings.hl7.results import result_message
from mappings.warehouse import order_row
from radflow.clock import utc_now
from radflow.connectors.errors import Refused
from radflow.connectors.fhir import check, open_fhir
from radflow.connectors.mllp import MllpClient
from radflow.connectors.warehouse import write_order_row
from radflow.order import control_id
from radflow.settings import settings
from radflow.store import outbox
from radflow.store.engine import store
from radflow.store.outbox import QueueState
from tasks.result import Result, read_result


@task(name="publish_to_fhir", cache_policy=NO_CACHE)
def publish_to_fhir(order_key: str) -> dict[str, list[str]]:
    """One transaction of conditional updates to every FHIR destination of the site; a repeat changes nothing.

    Raises:
        FhirUnavailable: a server cannot be reached or is busy.
        FhirRefused: a server has said no.
        FhirInvalid: the resources are not valid R4; nothing was sent.
    """
    result = read_result(order_key)
    bundle = result_transaction(
        result.order,
        result.studies,
        result.report,
        state=result.state,
        identifier_system=result.site.identifier_system,
    )
    check(bundle)
    published: list[str] = []
    for destination in result.site.fhir:
        fhir = open_fhir(destination, settings().fhir_path(result.site))
        published += fhir.publish(bundle, order_key=order_key, day=result.day)
    return {"published": published}


@task(name="send_to_ehr", cache_policy=NO_CACHE)
def send_to_ehr(order_key: str) -> dict[str, str]:
    """The result as ORU^R01 (IHE RAD-28), under the same MSH-10 whenever it is repeated.

    Raises:
        MllpUnavailable: the EHR cannot be reached or does not answer in time.
        MllpRefused: the EHR has answered AE or AR.
    """
    result = read_result(order_key)
    ehr = result.site.ehr
    if ehr is None or result.report is None:
        return {}
    with store().write() as session:
        message = outbox.queue(
            session,
            site=result.site.name,
            order_key=order_key,
            destination=ehr.name,
            message_type="ORU^R01",
            control_id=control_id(order_key, ehr.name, result.revision),
            payload=_oru(result),
            now=utc_now(),
        )
    if message.state == QueueState.SENT:
        return {"control_id": message.control_id}
    assert message.id is not None
    try:
        with MllpClient(ehr.host, ehr.port, timeout=ehr.timeout_seconds) as client:
            answer = client.send(message.payload)
    except Exception as error:
        state = QueueState.PARKED if isinstance(error, Refused) else QueueState.QUEUED
        with store().write() as session:
            outbox.answered(session, message.id, state=state, answer=type(error).__name__, now=utc_now())
        raise
    with store().write() as session:
        outbox.answered(session, message.id, state=QueueState.SENT, answer=answer.code, now=utc_now())
    return {"control_id": message.control_id}


@task(name="write_to_warehouse", cache_policy=NO_CACHE)
def write_to_warehouse(order_key: str) -> dict[str, str]:
    """The order's row, free of text and identifiers of the patient; a repeat overwrites it."""
    result = read_result(order_key)
    stages = {**result.stages, "published": utc_now()}
    row = order_row(
        result.order, state=result.state, stages=stages, studies=result.studies, report=result.report
    )
    url = settings().warehouse_url(result.site)
    path = write_order_row(url, row, site=result.site.name, day=result.day, order_key=order_key)
    return {"path": path}


def _oru(result: Result) -> bytes:
    assert result.site.ehr is not None
    assert result.report is not None
    return result_message(
        result.order,
        result.report,
        control_id=control_id(result.order.key, result.site.ehr.name, result.revision),
        now=utc_now(),
        zone=result.site.zone,
        sending=(result.site.application, result.site.facility),
        receiving=(result.site.ehr.receiving_application, result.site.ehr.receiving_facility),
    )

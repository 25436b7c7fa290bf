"""Publish an order's result: FHIR, the warehouse. One task each; HL7 goes out by `tasks.send`."""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.fhir import publish_change, publish_result
from tasks.warehouse import write_order


@task(name="publish_to_fhir", cache_policy=NO_CACHE)
def publish_to_fhir(order_key: str) -> dict[str, Any]:
    """One transaction of conditional creates and updates to each FHIR destination of the site.

    Raises:
        FhirUnavailable, FhirRefused, FhirInvalid: as `publish_result`.
    """
    return publish_result(order_key)


@task(name="update_fhir", cache_policy=NO_CACHE)
def update_fhir(order_key: str) -> dict[str, Any]:
    """What was published of an order without a result, withdrawn; and its status, for those who want it.

    Raises:
        FhirUnavailable, FhirRefused, FhirInvalid: as `publish_result`.
    """
    return publish_change(order_key)


@task(name="write_to_warehouse", cache_policy=NO_CACHE)
def write_to_warehouse(order_key: str) -> dict[str, str]:
    """The order's rows in every table, as its site lets them in; a repeat replaces them.

    Raises:
        WarehouseUnavailable: as `write_order`.
    """
    return {"path": write_order(order_key)}

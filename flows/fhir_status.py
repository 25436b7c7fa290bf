"""Bringing FHIR up to date as a step of an order's life: what was published of it, and where it stands."""

from flows.site_tasks import Step
from radflow.order import AWAITING_IMAGES, State
from radflow.settings import settings
from radflow.store import publications
from radflow.store.engine import store
from tasks.publish import update_fhir

_PUBLISHING_NOTHING = (AWAITING_IMAGES - {State.RECEIVED}) | {State.ACQUIRED, State.CANCELLED, State.CLOSED}
"""An order that is received goes on to the worklist at once, and does not wait for FHIR on its way."""


def fhir_steps(order_key: str, site: str, state: State) -> tuple[Step, ...]:
    """Where no result is published, and there is something to tell. Most orders have nothing."""
    known = settings().sites.get(site)
    if known is None or state not in _PUBLISHING_NOTHING:
        return ()
    told = any(destination.order_status for destination in known.fhir)
    return (update_fhir,) if told or _was_published(order_key) else ()


def _was_published(order_key: str) -> bool:
    with store().read() as session:
        return publications.any_of(session, order_key)

"""republish-fhir: an item is an order."""

from collections.abc import Sequence

from sqlmodel import Session

from radflow.order import AWAITING_IMAGES, State
from radflow.store.backfills import Outcome
from tasks.backfill.orders import order_keys
from tasks.backfill.parameters import RepublishFhir
from tasks.fhir import publish_result

_NOTHING_TO_PUBLISH = AWAITING_IMAGES | {State.CANCELLED, State.CLOSED}


def plan(session: Session, what: RepublishFhir, after: str, limit: int) -> Sequence[str]:
    return order_keys(session, what, after, limit, modality=what.modality, without=_NOTHING_TO_PUBLISH)


def do(what: RepublishFhir, item: str) -> Outcome:
    """A server that has all of it already is not written to."""
    return Outcome(detail={"outcomes": publish_result(item, anew=what.anew)["outcomes"]})

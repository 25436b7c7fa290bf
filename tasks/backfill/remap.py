"""remap: an item is an order."""

from collections.abc import Iterator, Sequence

from sqlmodel import Session, col, select

from mappings.hl7.errors import NotTakable
from mappings.hl7.order_changes import OrderMessage
from mappings.hl7.orders import read_orders
from mappings.hl7.reader import Hl7Message
from mappings.remapping import differences, remapped
from mappings.rules.rewriting import rewritten
from radflow.clock import utc_now
from radflow.model import Order
from radflow.order import NotAllowed, State
from radflow.settings import Site, settings
from radflow.store import orders
from radflow.store.backfills import ItemOutcome, Outcome
from radflow.store.engine import store
from radflow.store.messages import LinkKind, MessageState
from radflow.store.tables import Message, MessageLink, OrderRow
from tasks.backfill.orders import order_keys
from tasks.backfill.parameters import Remap

_ORDER_TYPES = ("ORM^O01", "OMG^O19", "OMI^O23")


def plan(session: Session, what: Remap, after: str, limit: int) -> Sequence[str]:
    return order_keys(session, what, after, limit, modality=what.modality, without={State.CANCELLED})


def do(what: Remap, item: str) -> Outcome:
    """Compare the order with what its messages say now; a change of it publishes it anew."""
    site = settings().site(what.site)
    with store().write() as session:
        known = Order.model_validate(session.get_one(OrderRow, item, with_for_update=True).document)
        try:
            said = [one for raw in _messages(session, item) for one in _read(site, raw)]
        except NotTakable as error:
            return Outcome(ItemOutcome.FAILED, {"reason": str(error)})
        after = remapped(known, said)
        if after is None:
            return Outcome(ItemOutcome.SKIPPED, {"reason": "its messages are not kept any more"})
        if after == known:
            return Outcome()
        detail = {"differences": [list(one) for one in differences(known, after)]}
        if not what.dry_run:
            now = utc_now()
            try:
                orders.place(session, after, source="backfill:remap", occurred_at=now, now=now)
            except NotAllowed as error:
                return Outcome(ItemOutcome.SKIPPED, {"reason": str(error)})
        return Outcome(ItemOutcome.CHANGED, detail)


def _messages(session: Session, order_key: str) -> Iterator[bytes]:
    """The order's messages as they came, oldest first."""
    query = (
        select(Message.raw)
        .join(MessageLink, col(MessageLink.message_id) == col(Message.id))
        .where(
            MessageLink.kind == LinkKind.ORDER, MessageLink.value == order_key,
            Message.state == MessageState.PROCESSED, col(Message.message_type).in_(_ORDER_TYPES),
        )
        .order_by(col(Message.id))
    )  # fmt: skip
    yield from session.exec(query)


def _read(site: Site, raw: bytes) -> Sequence[OrderMessage]:
    """By the site's rules and tables as they are now."""
    message = rewritten(Hl7Message(raw), site.patient_identifiers, site.tables)
    return read_orders(
        message, site=site.name, zone=site.zone, uid_root=site.uid_root, tables=site.code_tables
    )

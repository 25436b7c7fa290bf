"""The intake: stored messages become orders and events. Each message is one transaction, or none.

A message of several orders is taken whole or not at all. A message of several reports is taken as far as
their orders are known, and waits for the others: what it has already brought is not brought twice.
"""

from collections.abc import Mapping
from datetime import datetime

import structlog
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, select

from mappings.hl7 import times
from mappings.hl7.acceptance import message_type
from mappings.hl7.codes import WITHOUT_REPORT, report_event
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.orders import OrderMessage, read_orders
from mappings.hl7.reader import Hl7Message
from mappings.hl7.reports import read_reports
from radflow.model import Order, Report
from radflow.order import Event, NotAllowed
from radflow.settings import Site
from radflow.store import messages, orders, reports
from radflow.store.engine import Store
from radflow.store.tables import Message, OrderRow, ReportRow

log = structlog.get_logger()

UNKNOWN_ORDER = "No order is known by its numbers, or more than one; it is tried again when one is placed."


class _OrderUnknown(LookupError):
    """The message speaks of an order that is not there yet."""

    def __init__(self, numbers: set[str]) -> None:
        super().__init__(UNKNOWN_ORDER)
        self.numbers = numbers


def take_in(store: Store, sites: Mapping[str, Site], now: datetime, limit: int = 200) -> int:
    """Look at the oldest received messages; returns how many there were.

    Each is then processed, waiting for its order, or in quarantine with a reason.

    Raises:
        OperationalError: the database is away; the messages stay as they are.
    """
    with store.read() as session:
        ids = messages.next_received(session, limit)
    for message_id in ids:
        _take(store, sites, message_id, now)
    return len(ids)


def _take(store: Store, sites: Mapping[str, Site], message_id: int, now: datetime) -> None:
    try:
        with store.write() as session:
            if message := messages.claim(session, message_id):
                _apply(session, message, sites, now)
    except OperationalError:
        raise
    except _OrderUnknown as error:
        with store.write() as session:
            if message := messages.claim(session, message_id):
                messages.mark_waiting(session, message, UNKNOWN_ORDER, error.numbers, now)
    except Exception as error:
        # Only our own errors have a text that is free of patient data.
        ours = isinstance(error, NotTakable | NotAllowed)
        reason = str(error) if ours else f"It could not be processed: {type(error).__name__}."
        log.warning("message is quarantined", message=message_id, reason=reason)
        with store.write() as session:
            if message := messages.claim(session, message_id):
                messages.quarantine(session, message, reason, now)


def _apply(session: Session, message: Message, sites: Mapping[str, Site], now: datetime) -> None:
    if message.site not in sites:
        raise NotTakable(ErrorCode.APPLICATION_INTERNAL_ERROR, "", "Its site has no site file any more.")
    site = sites[message.site]
    hl7 = Hl7Message(message.raw)
    match message_type(hl7):
        case "ORM^O01":
            _apply_orders(session, message, hl7, site, now)
        case "ORU^R01":
            _apply_reports(session, message, hl7, site, now)
        case _:
            raise NotTakable(
                ErrorCode.UNSUPPORTED_MESSAGE_TYPE, "MSH^1^9", "Messages of this type are not taken."
            )


def _apply_orders(session: Session, message: Message, hl7: Hl7Message, site: Site, now: datetime) -> None:
    said = read_orders(hl7, site=site.name, zone=site.zone, uid_root=site.uid_root)
    for one in said:
        occurred_at = one.occurred_at or message.received_at
        if one.cancels:
            _cancel(session, one, message, occurred_at, now)
        else:
            _place(session, one, message, occurred_at, now)
    messages.mark_processed(session, message, [one.order.key for one in said], now)


def _place(session: Session, one: OrderMessage, message: Message, at: datetime, now: datetime) -> None:
    row = session.get(OrderRow, one.order.key, with_for_update=True)
    order = one.on_top_of(Order.model_validate(row.document) if row else None)
    orders.place(session, order, source=f"message:{message.id}", occurred_at=at, now=now)
    messages.requeue_waiting_for(session, order.site, _numbers_of_order(order))


def _cancel(session: Session, one: OrderMessage, message: Message, at: datetime, now: datetime) -> None:
    source = f"message:{message.id}"
    try:
        orders.record(session, one.order.key, Event.ORDER_CANCELLED, source=source, occurred_at=at, now=now)
    except orders.UnknownOrder:
        raise _OrderUnknown({one.order.key}) from None


def _apply_reports(session: Session, message: Message, hl7: Hl7Message, site: Site, now: datetime) -> None:
    keys: set[str] = set()
    missing: set[str] = set()
    sent_at = _sent_at(hl7, site) or message.received_at
    for report in read_reports(hl7, site=site.name, zone=site.zone):
        if report.status in WITHOUT_REPORT:
            continue
        row = orders.of_report(session, report)
        if row:
            keys.add(row.key)
            _report(session, row.key, report, message, report.issued or sent_at, now)
        else:
            missing |= _numbers_of_report(report)
    if missing:
        messages.mark_waiting(session, message, UNKNOWN_ORDER, missing, now)
    else:
        messages.mark_processed(session, message, keys, now)


def _report(
    session: Session, order_key: str, report: Report, message: Message, at: datetime, now: datetime
) -> None:
    event = report_event(report.status)
    if event is None:
        raise NotTakable(
            ErrorCode.TABLE_VALUE_NOT_FOUND,
            "OBR^1^25",
            "OBR-25 is no status of a report that can be published.",
        )
    if reports.newest(session, order_key) == report or _brought_already(session, order_key, report, message):
        return
    reports.save(session, order_key, report, message.id, now)
    orders.record(session, order_key, event, source=f"message:{message.id}", occurred_at=at, now=now)


def _brought_already(session: Session, order_key: str, report: Report, message: Message) -> bool:
    query = select(ReportRow).where(ReportRow.order_key == order_key, ReportRow.message_id == message.id)
    document = report.model_dump(mode="json")
    return any(row.document == document for row in session.exec(query))


def _sent_at(hl7: Hl7Message, site: Site) -> datetime | None:
    """MSH-7, where it is a time."""
    try:
        return times.to_utc(hl7.get("MSH-7"), site.zone)
    except ValueError:
        return None


def _numbers_of_order(order: Order) -> set[str]:
    """Whatever a message that waits may call the order."""
    identifiers = (order.placer_order_number, order.filler_order_number)
    numbers = {identifier.value for identifier in identifiers if identifier}
    return numbers | {order.key, order.accession_number, order.study_instance_uid}


def _numbers_of_report(report: Report) -> set[str]:
    identifiers = (report.placer_order_number, report.filler_order_number)
    numbers = {identifier.value for identifier in identifiers if identifier}
    return numbers | {report.accession_number, report.study_instance_uid} - {""}

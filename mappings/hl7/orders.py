"""ORM^O01, OMG^O19, OMI^O23 → orders (IHE RAD-2 Placer Order Management, RAD-4 Procedure Scheduled, RAD-13).

One reader for the three: they differ in where they have a number, and the same order comes out.

| Order | OMI^O23 | ORM^O01, OMG^O19 |
|---|---|---|
| placer_order_number | OBR-2, ORC-2 | OBR-2, ORC-2 |
| filler_order_number | OBR-3, ORC-3 | OBR-3, ORC-3 |
| accession_number (0008,0050) | IPC-1 | OBR-18, or else the filler's number |
| requested_procedure_id (0040,1001) | IPC-2 | OBR-19 |
| study_instance_uid (0020,000D) | IPC-3 | ZDS-1 |
| procedure (0032,1064) | OBR-44, or else OBR-4 | OBR-44, or else OBR-4 |
| reason (0040,1002) | OBR-31, OBR-13 | OBR-31, OBR-13 |
| priority (0040,1003) | TQ1-9, OBR-5 | OBR-27.6, ORC-7.6, TQ1-9, OBR-5 |
| requesting_physician (0032,1032) | ORC-12, OBR-16 | ORC-12, OBR-16 |
| referring_physician (0008,0090) | PV1-8 | PV1-8 |
| requested_at | ORC-9 | ORC-9 |
"""

import re
import uuid
from dataclasses import replace
from zoneinfo import ZoneInfo

from mappings.hl7 import codes, order_details, pid, pv1
from mappings.hl7.datatypes import coded, entity_identifier, identifier, practitioner
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.fields import missing, time
from mappings.hl7.order_changes import OrderAction, OrderMessage
from mappings.hl7.reader import Hl7Message, Segments
from mappings.hl7.replacements import IS_REPLACED, check_replacements, with_replacements
from mappings.hl7.steps import read_steps, short
from mappings.tables import PACKAGED, Tables
from radflow.model import Identifier, Order
from radflow.order import order_key

__all__ = ["OrderAction", "OrderMessage", "check_orders", "make_study_instance_uid", "read_orders"]

_PLACING = frozenset({OrderAction.PLACES, OrderAction.REPLACES})
_PRIORITIES = ("OBR-27.6", "ORC-7.6", "TQ1-9", "OBR-5")
_PROCEDURES = ("OBR-4.1", "OBR-4.2", "OBR-44.1", "OBR-44.2")
_OPTIONAL = {
    "reason": ("OBR-31", "OBR-13"),
    "priority": _PRIORITIES,
    "requesting_physician": ("ORC-12", "OBR-16"),
}
_OF_THE_VISIT = {
    "patient_class": ("PV1-2",),
    "visit_number": ("PV1-19",),
    "referring_physician": ("PV1-8",),
}
"""Fields of `Order` that `""` deletes → where they come from."""

_UID = re.compile(r"(?=.{1,64}$)[0-2](\.(0|[1-9]\d*))+")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:radflow:study-instance-uid")


def check_orders(message: Hl7Message) -> None:
    """See whether the message has what an order needs: cheap enough to be asked before the ACK.

    To place or to change an order takes a patient and a procedure; to cancel, to hold, to release it or to
    tell its status, a number is enough.

    Raises:
        NotTakable: a patient identifier, an order number, a known order control or a procedure is missing.
    """
    groups = message.groups()
    if not groups:
        raise NotTakable(ErrorCode.SEGMENT_SEQUENCE_ERROR, "ORC^1", "The message has no order (ORC, OBR).")
    actions = [_check_group(group, number) for number, group in enumerate(groups, start=1)]
    check_replacements(actions)
    if _PLACING.intersection(actions) and not pid.names_a_patient(message):
        raise missing("PID^1^3", "PID-3 has no patient identifier.")


def read_orders(
    message: Hl7Message, *, site: str, zone: ZoneInfo, uid_root: str, tables: Tables = PACKAGED
) -> list[OrderMessage]:
    """The orders of the message. Groups with one order number are the steps of one order (RAD-4).

    Args:
        zone: the site's, for times without one.
        uid_root: root of the Study Instance UID of an order that bears none.
        tables: the site's.

    Raises:
        NotTakable: something needed is missing, or a time or UID is none.
    """
    check_orders(message)
    found: dict[tuple[str, str], OrderMessage] = {}
    for group in message.groups():
        read = _order_message(message, group, site, zone, uid_root, tables)
        same = found.get((read.order.key, read.control))
        found[read.order.key, read.control] = _with_steps_of(same, read) if same else read
    return with_replacements(found.values(), message.get("MSH-3"), tables)


def make_study_instance_uid(root: str, key: str) -> str:
    """A Study Instance UID, the same for every replay: the root and a UUID as an integer (PS3.5 B.2)."""
    made = str(uuid.uuid5(_NAMESPACE, key).int)
    # With a long root, the last digits that still fit.
    return f"{root}.{made[-(63 - len(root)) :].lstrip('0')}"


def _check_group(group: Segments, number: int) -> str:
    control = group.get("ORC-1")
    if not control:
        raise missing(f"ORC^{number}^1", "ORC-1 has no order control.")
    action = codes.order_action(control)
    if action is None:
        raise NotTakable(
            ErrorCode.TABLE_VALUE_NOT_FOUND, f"ORC^{number}^1",
            "ORC-1 is none of the order controls that are taken.",
        )  # fmt: skip
    if not (_placer(group) or _filler(group)):
        raise missing(f"ORC^{number}^2", "Neither ORC-2 and OBR-2 nor ORC-3 and OBR-3 have an order number.")
    if action in _PLACING and not any(group.get(path) for path in _PROCEDURES):
        raise missing(f"OBR^{number}^4", "OBR-4 has no procedure.")
    return action


def _order_message(
    message: Hl7Message, group: Segments, site: str, zone: ZoneInfo, uid_root: str, tables: Tables
) -> OrderMessage:
    placer, filler = _placer(group), _filler(group)
    number = placer or filler
    assert number is not None
    key = order_key(site, number.assigner or message.get("MSH-3"), number.value)
    suffix = key.rpartition("-")[2].upper()
    numbers = {
        "accession_number": short(group.get("IPC-1"), group.get("OBR-18")),
        "study_instance_uid": _study_instance_uid(message, group),
        "requested_procedure_id": short(group.get("IPC-2"), group.get("OBR-19")),
    }
    accession = numbers["accession_number"] or short(filler.value if filler else "") or f"R{suffix}"
    steps = read_steps(group, f"S{suffix}", zone)
    order = Order(
        key=key,
        site=site,
        placer_order_number=placer,
        filler_order_number=filler,
        accession_number=accession,
        study_instance_uid=numbers["study_instance_uid"] or make_study_instance_uid(uid_root, key),
        requested_procedure_id=numbers["requested_procedure_id"] or accession,
        procedure=coded(group.field("OBR-44" if group.get("OBR-44") else "OBR-4")),
        reason=group.get("OBR-31.2") or group.get("OBR-31.1") or group.get("OBR-13"),
        priority=next(filter(None, (codes.priority(group.get(path), tables) for path in _PRIORITIES)), ""),
        patient=pid.read_patient(message, zone),
        patient_class=message.get("PV1-2"),
        visit_number=identifier(message.field("PV1-19")),
        requesting_physician=practitioner(group.repetitions("ORC-12") or group.repetitions("OBR-16")),
        referring_physician=practitioner(message.repetitions("PV1-8")),
        requested_at=time(group, "ORC-9", zone),
        steps=tuple(step.value for step in steps),
        visit=pv1.read_rest_of_visit(message, zone),
        details=order_details.read_details(group),
    )
    made = {name for name, value in numbers.items() if not value}
    if "step_id" not in steps[0].sent:
        made.add("step_id")
    return OrderMessage(
        control=group.get("ORC-1"),
        action=_action(group, tables),
        order=order,
        sent=_sent(message, group) | (numbers.keys() - made),
        patient_sent=pid.sent(message),
        visit_sent=pv1.sent(message) - pv1.IN_THE_ORDER,
        details_sent=order_details.sent(group),
        steps=steps,
        made=frozenset(made),
        occurred_at=order.requested_at or time(message, "MSH-7", zone),
        order_status=group.get("ORC-5"),
        result_status=group.get("OBR-25"),
    )


def _action(group: Segments, tables: Tables) -> OrderAction:
    """ORC-1; a status change (SC) does what its status (ORC-5) says has been done."""
    action = codes.order_action(group.get("ORC-1"), tables)
    if action == OrderAction.STATUS:
        action = codes.order_action_of_status(group.get("ORC-5"), tables) or action
    # What is replaced is cancelled: see `with_replacements`.
    return OrderAction.DISCONTINUES if action in (None, IS_REPLACED) else OrderAction(action)


def _sent(message: Hl7Message, group: Segments) -> frozenset[str]:
    """Fields of `Order`, apart from numbers, patient and steps, of which something is said."""
    sent = {name for name, paths in _OPTIONAL.items() if group.says(*paths)}
    sent |= {name for name, paths in _OF_THE_VISIT.items() if message.says(*paths)}
    if any(group.get(path) for path in _PROCEDURES):
        sent.add("procedure")
    return frozenset(sent)


def _with_steps_of(same: OrderMessage, other: OrderMessage) -> OrderMessage:
    known = {step.value.step_id for step in same.steps}
    steps = same.steps + tuple(step for step in other.steps if step.value.step_id not in known)
    order = same.order.model_copy(update={"steps": tuple(step.value for step in steps)})
    return replace(same, order=order, steps=steps)


def _placer(group: Segments) -> Identifier | None:
    return entity_identifier(group.field("OBR-2")) or entity_identifier(group.field("ORC-2"))


def _filler(group: Segments) -> Identifier | None:
    return entity_identifier(group.field("OBR-3")) or entity_identifier(group.field("ORC-3"))


def _study_instance_uid(message: Hl7Message, group: Segments) -> str:
    # RAD-4 has one ZDS at the end of the message, for all of its orders.
    for segments, path in ((group, "IPC-3"), (group, "ZDS-1"), (message, "ZDS-1")):
        if uid := segments.get(path).strip():
            if not _UID.fullmatch(uid):
                location = path.replace("-", "^1^")
                raise NotTakable(ErrorCode.DATA_TYPE_ERROR, location, f"{path} is not a UID.")
            return uid
    return ""

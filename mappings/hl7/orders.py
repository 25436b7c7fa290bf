"""ORM^O01 → orders (IHE RAD-2 Placer Order Management, RAD-4 Procedure Scheduled, RAD-13 Update)."""

import re
import uuid
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from mappings.hl7 import codes, times
from mappings.hl7.datatypes import coded, entity_identifier, identifier, person_name, practitioner
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.reader import Hl7Message, Segments
from radflow.model import Identifier, Order, Patient, ScheduledProcedureStep
from radflow.order import order_key

PLACES = frozenset({"NW", "SN", "XO", "XX", "SC"})
"""ORC-1, HL7 table 0119: new or changed; the message holds the order as it is now."""
CANCELS = frozenset({"CA", "DC"})
"""ORC-1, HL7 table 0119: cancelled or discontinued."""

MODALITY_UNKNOWN = "OT"
"""Modality (0008,0060) Other: OBR-24 is required by IHE RAD-4 only, and many placers leave it empty."""

_SH = 16
"""A DICOM SH holds 16 characters: a longer number would be cut, and then found by nobody."""
_PROCEDURES = ("OBR-4.1", "OBR-4.2", "OBR-44.1", "OBR-44.2")
_UID = re.compile(r"(?=.{1,64}$)[0-2](\.(0|[1-9]\d*))+")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:radflow:study-instance-uid")


@dataclass(frozen=True)
class OrderMessage:
    """What one order group of a message says."""

    control: str
    """ORC-1."""
    order: Order
    made: frozenset[str] = frozenset()
    """Numbers of the order that were not sent, and made here."""
    occurred_at: datetime | None = None
    """ORC-9, or else MSH-7."""

    @property
    def cancels(self) -> bool:
        return self.control in CANCELS

    def on_top_of(self, known: Order | None) -> Order:
        """The order as it is now: numbers that this message does not bear stay as they are known.

        The time of the request stays too: ORC-9 of a change is the time of the change.
        """
        if known is None:
            return self.order
        kept = {name: getattr(known, name) for name in self.made if name != "step_id"}
        kept["placer_order_number"] = self.order.placer_order_number or known.placer_order_number
        kept["filler_order_number"] = self.order.filler_order_number or known.filler_order_number
        kept["requested_at"] = known.requested_at or self.order.requested_at
        if "step_id" in self.made:
            first, *others = self.order.steps
            kept["steps"] = (first.model_copy(update={"step_id": known.steps[0].step_id}), *others)
        return self.order.model_copy(update=kept)


def check_orders(message: Hl7Message) -> None:
    """See whether the message has what an order needs: cheap enough to be asked before the ACK.

    Raises:
        NotTakable: a patient identifier, an order number, a known order control or a procedure is missing.
    """
    if not message.get("PID-3.1").strip():
        raise _missing("PID^1^3", "PID-3 has no patient identifier.")
    groups = message.groups()
    if not groups:
        raise NotTakable(ErrorCode.SEGMENT_SEQUENCE_ERROR, "ORC^1", "The message has no order (ORC, OBR).")
    for number, group in enumerate(groups, start=1):
        _check_group(group, number)


def read_orders(message: Hl7Message, *, site: str, zone: ZoneInfo, uid_root: str) -> list[OrderMessage]:
    """The orders of the message. Groups with one order number are the steps of one order (RAD-4).

    Args:
        zone: the site's, for times without one.
        uid_root: root of the Study Instance UID of an order that bears none.

    Raises:
        NotTakable: something needed is missing, or a time or UID is none.
    """
    check_orders(message)
    found: dict[tuple[str, str], OrderMessage] = {}
    for group in message.groups():
        read = _order_message(message, group, site, zone, uid_root)
        same = found.get((read.order.key, read.control))
        found[read.order.key, read.control] = _with_steps_of(same, read) if same else read
    return list(found.values())


def _check_group(group: Segments, number: int) -> None:
    control = group.get("ORC-1")
    if not control:
        raise _missing(f"ORC^{number}^1", "ORC-1 has no order control.")
    if control not in PLACES | CANCELS:
        raise NotTakable(
            ErrorCode.TABLE_VALUE_NOT_FOUND, f"ORC^{number}^1",
            f"ORC-1 is none of the order controls that are taken: {', '.join(sorted(PLACES | CANCELS))}.",
        )  # fmt: skip
    if not (_placer(group) or _filler(group)):
        raise _missing(f"ORC^{number}^2", "Neither ORC-2 and OBR-2 nor ORC-3 and OBR-3 have an order number.")
    if control in PLACES and not any(group.get(path) for path in _PROCEDURES):
        raise _missing(f"OBR^{number}^4", "OBR-4 has no procedure.")


def _order_message(
    message: Hl7Message, group: Segments, site: str, zone: ZoneInfo, uid_root: str
) -> OrderMessage:
    placer, filler = _placer(group), _filler(group)
    number = placer or filler
    assert number is not None
    key = order_key(site, number.assigner or message.get("MSH-3"), number.value)
    suffix = key.rpartition("-")[2].upper()
    sent = {
        "accession_number": _short(group.get("OBR-18"), filler.value if filler else ""),
        "study_instance_uid": _study_instance_uid(message, group),
        "requested_procedure_id": _short(group.get("OBR-19")),
        "step_id": _short(group.get("OBR-20")),
    }
    accession = sent["accession_number"] or f"R{suffix}"
    order = Order(
        key=key,
        site=site,
        placer_order_number=placer,
        filler_order_number=filler,
        accession_number=accession,
        study_instance_uid=sent["study_instance_uid"] or make_study_instance_uid(uid_root, key),
        requested_procedure_id=sent["requested_procedure_id"] or accession,
        procedure=coded(group.field("OBR-44" if group.get("OBR-44") else "OBR-4")),
        reason=group.get("OBR-31.2") or group.get("OBR-31.1") or group.get("OBR-13"),
        priority=_priority(group),
        patient=_patient(message),
        patient_class=message.get("PV1-2"),
        visit_number=identifier(message.field("PV1-19")),
        requesting_physician=practitioner(group.repetitions("ORC-12") or group.repetitions("OBR-16")),
        referring_physician=practitioner(message.repetitions("PV1-8")),
        requested_at=_time(group, "ORC-9", zone),
        steps=(_step(group, sent["step_id"] or f"S{suffix}", zone),),
    )
    made = frozenset(name for name, value in sent.items() if not value)
    occurred_at = _time(group, "ORC-9", zone) or _time(message, "MSH-7", zone)
    return OrderMessage(group.get("ORC-1"), order, made, occurred_at)


def _with_steps_of(same: OrderMessage, other: OrderMessage) -> OrderMessage:
    known = {step.step_id for step in same.order.steps}
    more = tuple(step for step in other.order.steps if step.step_id not in known)
    return replace(same, order=same.order.model_copy(update={"steps": same.order.steps + more}))


def _placer(group: Segments) -> Identifier | None:
    return entity_identifier(group.field("OBR-2")) or entity_identifier(group.field("ORC-2"))


def _filler(group: Segments) -> Identifier | None:
    return entity_identifier(group.field("OBR-3")) or entity_identifier(group.field("ORC-3"))


def _short(*candidates: str) -> str:
    return next((value for value in map(str.strip, candidates) if 0 < len(value) <= _SH), "")


def _study_instance_uid(message: Hl7Message, group: Segments) -> str:
    # RAD-4 has one ZDS at the end of the message, for all of its orders.
    zds = list(group.each("ZDS")) or list(message.each("ZDS"))
    uid = zds[0].get("ZDS-1") if zds else ""
    if uid and not _UID.fullmatch(uid):
        raise NotTakable(ErrorCode.DATA_TYPE_ERROR, "ZDS^1^1", "ZDS-1 is not a UID.")
    return uid


def make_study_instance_uid(root: str, key: str) -> str:
    """A Study Instance UID, the same for every replay: the root and a UUID as an integer (PS3.5 B.2)."""
    made = str(uuid.uuid5(_NAMESPACE, key).int)
    # With a long root, the last digits that still fit.
    return f"{root}.{made[-(63 - len(root)) :].lstrip('0')}"


def _patient(message: Hl7Message) -> Patient:
    identifiers = filter(None, map(identifier, message.repetitions("PID-3")))
    return Patient(
        identifiers=tuple(identifiers),
        name=person_name(message.repetitions("PID-5")),
        birth_date=_birth_date(message),
        sex=message.get("PID-8").upper(),
    )


def _step(group: Segments, step_id: str, zone: ZoneInfo) -> ScheduledProcedureStep:
    # Starts where RAD-4 has it, then where v2.5 has it.
    starts = (_time(group, path, zone) for path in ("OBR-27.4", "ORC-7.4", "TQ1-7", "OBR-36"))
    return ScheduledProcedureStep(
        step_id=step_id,
        modality=group.get("OBR-24").strip() or MODALITY_UNKNOWN,
        start=next(filter(None, starts), None),
        station_aet=tuple(filter(None, (aet.get().strip() for aet in group.repetitions("OBR-21")))),
        protocol=coded(group.field("OBR-4"), first=4),
    )


def _priority(group: Segments) -> str:
    paths = ("OBR-27.6", "ORC-7.6", "TQ1-9", "OBR-5")
    return next(filter(None, (codes.priority(group.get(path)) for path in paths)), "")


def _time(segments: Segments, path: str, zone: ZoneInfo) -> datetime | None:
    try:
        return times.to_utc(segments.get(path), zone)
    except ValueError:
        raise _not_a_time(path) from None


def _birth_date(message: Hl7Message) -> date | None:
    try:
        return times.to_date(message.get("PID-7"))
    except ValueError:
        raise _not_a_time("PID-7") from None


def _not_a_time(path: str) -> NotTakable:
    segment, _, field = path.partition("-")
    location = f"{segment}^1^{field.partition('.')[0]}"
    return NotTakable(ErrorCode.DATA_TYPE_ERROR, location, f"{path} is not an HL7 time.")


def _missing(location: str, reason: str) -> NotTakable:
    return NotTakable(ErrorCode.REQUIRED_FIELD_MISSING, location, reason)

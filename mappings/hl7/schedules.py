"""SIU → when and where an order takes place (v2.5.1 ch. 10; IHE RAD-48 Appointment Notification).

| here | HL7 |
|---|---|
| placer, filler | SCH-26, SCH-27; up to v2.3.1, which lacks them, ORC or OBR where a sender adds it |
| start | AIS-4, or else TQ1-7, SCH-11.4 |
| location (0040,0011) | AIL-3 of the same RGS |
| performing_physician (0040,0006) | AIP-3 of the same RGS |

SCH-1 and SCH-2 name the appointment and no order: an order is never found by them. What an AIG (a general
resource) stands for is the site's affair, so no station is made of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from mappings.hl7.datatypes import entity_identifier, location, practitioner
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.fields import first_time, missing, time
from mappings.hl7.kinds import event
from mappings.hl7.reader import Hl7Message, Repetition, Segments
from mappings.hl7.steps import short
from radflow.model import Identifier, Order, Practitioner, ScheduledProcedureStep
from radflow.order import order_key

_NOBODY = Practitioner()


class ScheduleAction(StrEnum):
    """What an appointment message does."""

    SCHEDULED = "scheduled"
    CANCELLED = "cancelled"
    """The appointment is off; the order stays, without a time."""
    NO_SHOW = "no-show"
    """The patient did not come; the order stays as it is."""


ACTIONS: dict[str, ScheduleAction] = {
    "S12": ScheduleAction.SCHEDULED,
    "S13": ScheduleAction.SCHEDULED,
    "S14": ScheduleAction.SCHEDULED,
    "S15": ScheduleAction.CANCELLED,
    "S26": ScheduleAction.NO_SHOW,
}
"""HL7 table 0003: booked, rescheduled, modified; cancelled; did not come."""


@dataclass(frozen=True)
class Appointment:
    """One service of an appointment, as it is scheduled: AIS with the AIL and AIP beside it."""

    start: datetime | None = None
    location: str = ""
    performing_physician: Practitioner = _NOBODY
    sent: frozenset[str] = frozenset()
    """The fields above of which the message says something: a value, or `""`."""

    def on_top_of(self, step: ScheduledProcedureStep) -> ScheduledProcedureStep:
        """The step as it is scheduled now: what is not sent stays."""
        return step.model_copy(update={name: getattr(self, name) for name in self.sent})


@dataclass(frozen=True)
class ScheduleMessage:
    """What a message says of the appointment of one order."""

    event: str
    """MSH-9.2: `S12`."""
    action: ScheduleAction
    placer: Identifier | None
    filler: Identifier | None
    key: str = ""
    """The order's, where the number that is told is the one it was placed under."""
    accession_number: str = ""
    """IPC-1 or OBR-18, where a sender adds them; else empty."""
    occurred_at: datetime | None = None
    """MSH-7."""
    appointments: tuple[Appointment, ...] = ()

    def on_top_of(self, order: Order) -> Order:
        """The order as it is scheduled now.

        With as many services (AIS) as the order has steps each is a step's; else the first is every step's.
        """
        if self.action is ScheduleAction.NO_SHOW:
            return order
        if self.action is ScheduleAction.CANCELLED:
            changes: dict[str, Any] = {"start": None}
            steps = tuple(step.model_copy(update=changes) for step in order.steps)
        else:
            steps = _scheduled(order.steps, self.appointments)
        return order.model_copy(update={"steps": steps})


def check_schedules(message: Hl7Message) -> None:
    """See whether there is an appointment: cheap.

    One that names no order is taken: a feed tells the appointments of a whole hospital, and should not stand
    still for those that are none of ours.

    Raises:
        NotTakable: there is neither SCH nor AIS.
    """
    if not (message.has("SCH") or message.has("AIS")):
        raise NotTakable(
            ErrorCode.SEGMENT_SEQUENCE_ERROR, "SCH^1", "The message has no appointment (SCH, AIS)."
        )


def read_schedules(message: Hl7Message, *, site: str, zone: ZoneInfo) -> list[ScheduleMessage]:
    """What the message says of each order: one for each SCH that names one (they repeat since v2.4).

    Args:
        site: the order's.
        zone: the site's, for times without one.

    Raises:
        NotTakable: no order is named, or a time is none.
    """
    check_schedules(message)
    placers = message.repetitions("SCH-26") or message.repetitions("OBR-2") or message.repetitions("ORC-2")
    fillers = message.repetitions("SCH-27") or message.repetitions("OBR-3") or message.repetitions("ORC-3")
    accession = short(message.get("IPC-1"), message.get("OBR-18"))
    count = max(len(placers), len(fillers), bool(accession))
    if not count:
        raise missing("SCH^1^26", "Neither SCH-26 nor SCH-27 has an order number: no order is scheduled.")
    appointments = _appointments(message, zone)
    own = count > 1 and len(appointments) == count
    return [
        _schedule_message(
            message, _number(placers, index), _number(fillers, index), site, zone,
            accession_number=accession if count == 1 else "",
            appointments=appointments[index : index + 1] if own else appointments,
        )
        for index in range(count)
    ]  # fmt: skip


def _schedule_message(
    message: Hl7Message,
    placer: Identifier | None,
    filler: Identifier | None,
    site: str,
    zone: ZoneInfo,
    **told: Any,
) -> ScheduleMessage:
    action = ACTIONS.get(event(message))
    if action is None:
        raise NotTakable(ErrorCode.UNSUPPORTED_EVENT_CODE, "MSH^1^9", "MSH-9: no event of an appointment.")
    number = placer or filler
    return ScheduleMessage(
        event=event(message),
        action=action,
        placer=placer,
        filler=filler,
        key=order_key(site, number.assigner or message.get("MSH-3"), number.value) if number else "",
        occurred_at=time(message, "MSH-7", zone),
        **told,
    )


def _number(repetitions: Sequence[Repetition], index: int) -> Identifier | None:
    return entity_identifier(repetitions[index]) if index < len(repetitions) else None


def _appointments(message: Hl7Message, zone: ZoneInfo) -> tuple[Appointment, ...]:
    """One for each AIS; without AIS, what the appointment as a whole tells."""
    return tuple(
        _appointment(message, resources, service, zone)
        for resources in message.groups_from("RGS") or [message]
        for service in list(resources.each("AIS")) or [resources]
    )


def _appointment(message: Hl7Message, resources: Segments, service: Segments, zone: ZoneInfo) -> Appointment:
    common = ("TQ1-7", "SCH-11.4")
    sent = set()
    if service.says("AIS-4") or message.says(*common):
        sent.add("start")
    if resources.says("AIL-3"):
        sent.add("location")
    if resources.says("AIP-3"):
        sent.add("performing_physician")
    room = location(resources.field("AIL-3"))
    return Appointment(
        start=time(service, "AIS-4", zone) or first_time(message, common, zone),
        location=" ".join(filter(None, (room.point_of_care, room.room))) or room.description,
        performing_physician=practitioner(resources.repetitions("AIP-3")),
        sent=frozenset(sent),
    )


def _scheduled(
    steps: tuple[ScheduledProcedureStep, ...], appointments: tuple[Appointment, ...]
) -> tuple[ScheduledProcedureStep, ...]:
    each = appointments if len(appointments) == len(steps) else (appointments[0],) * len(steps)
    return tuple(appointment.on_top_of(step) for appointment, step in zip(each, steps, strict=True))

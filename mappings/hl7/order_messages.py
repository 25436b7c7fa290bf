"""Order → ORM^O01, OMG^O19 or OMI^O23 for those who carry it out, and its status for those who placed it.

IHE RAD-4 Procedure Scheduled, RAD-13 Procedure Update, RAD-3 Filler Order Management (status). A receiver
gets the message and the version that it wants; `mappings.hl7.orders` reads the same order back from each.

| Order | ORM, OMG | OMI (v2.5 §4.5.6) |
|---|---|---|
| placer_order_number, filler_order_number | ORC-2, ORC-3, OBR-2, OBR-3 | the same |
| accession_number (0008,0050) | OBR-18 | OBR-18, IPC-1 |
| requested_procedure_id (0040,1001) | OBR-19 | OBR-19, IPC-2 |
| study_instance_uid (0020,000D) | ZDS-1 | IPC-3 |
| procedure | OBR-4.1–3, OBR-44 | the same |
| reason | OBR-31.2 | the same |
| priority (0040,1003) | ORC-7.6 and OBR-27.6, in an OMG from v2.5 on TQ1-9 | TQ1-9 |
| requesting_physician, requested_at | ORC-12, OBR-16; ORC-9 | the same |
| steps | an ORC and OBR each | an IPC and TQ1 each |
| step_id, modality, station_aet | OBR-20, OBR-24, OBR-21 | IPC-4, IPC-5, IPC-9 |
| protocol (0040,0008) | OBR-4.4–6 | IPC-6 |
| start (0040,0002), (0040,0003) | ORC-7.4 and OBR-27.4, in an OMG from v2.5 on TQ1-7 | TQ1-7 |
| performing_physician (0040,0006) | OBR-34 | OBR-34 |
| station_name, location | – | IPC-7, IPC-8 |
"""

from collections.abc import Sequence
from typing import Literal

from mappings.hl7 import times
from mappings.hl7.encoding import ce, components, ei, ndl, text, xcn
from mappings.hl7.statuses import OrderStatus
from mappings.hl7.written_segments import Envelope, header, patient_segments, segment, visit_segments
from mappings.tables import PACKAGED
from radflow.model import Order, ScheduledProcedureStep

Structure = Literal["ORM^O01", "OMG^O19", "OMI^O23"]
_NONE = OrderStatus("", "")


def order_message(
    order: Order,
    control: str,
    envelope: Envelope,
    *,
    structure: Structure,
    version: str,
    status: OrderStatus = _NONE,
) -> bytes:
    """The order as it is now, UTF-8.

    Args:
        control: ORC-1, HL7 table 0119: NW, XO, CA, … or SC, where only the status has changed.
        structure: MSH-9.1 ^ MSH-9.2.
        version: MSH-12; one that has the structure.
        status: ORC-5 and OBR-25.
    """
    writer = _Writer(order, control, envelope, version, status)
    segments = [
        header(f"{structure}^{structure.replace('^', '_')}", version, envelope),
        *patient_segments(order.patient, envelope.zone),
        *visit_segments(order),
        *_BODIES[structure](writer),
    ]
    return "".join(f"{each}\r" for each in segments).encode()


class _Writer:
    """The order groups of one message."""

    def __init__(
        self, order: Order, control: str, envelope: Envelope, version: str, status: OrderStatus
    ) -> None:
        self.order = order
        self._control = control
        self._envelope = envelope
        self._status = status
        self.has_tq1 = version >= "2.5"

    def orc(self, timing: str = "") -> str:
        """ORC (§4.5.1). ORC-9 is the time of the transaction: of the request, when the order is new."""
        new = self._control == "NW" and self.order.requested_at
        return segment(
            "ORC",
            {
                1: self._control,
                2: ei(self.order.placer_order_number),
                3: ei(self.order.filler_order_number),
                5: self._status.order,
                7: timing,
                9: times.from_utc(new or self._envelope.now, self._envelope.zone),
                12: xcn(self.order.requesting_physician),
            },
        )

    def obr(self, number: int, step: ScheduledProcedureStep, *, whole: bool, timing: str = "") -> str:
        """OBR (§4.5.3); `whole` where it tells of the step too, which is IPC's affair in an OMI."""
        order = self.order
        own: dict[int, str | Sequence[str]] = {
            20: text(step.step_id),
            21: [text(aet) for aet in step.station_aet],
            24: text(step.modality),
        }
        return segment(
            "OBR",
            {
                1: str(number),
                2: ei(order.placer_order_number),
                3: ei(order.filler_order_number),
                4: ce(order.procedure, step.protocol if whole else None),
                16: xcn(order.requesting_physician),
                18: text(order.accession_number),
                19: text(order.requested_procedure_id),
                **(own if whole else {}),
                25: self._status.result,
                27: timing,
                31: components("", order.reason),
                34: ndl(step.performing_physician),
                44: ce(order.procedure),
            },
        )

    def timing(self, step: ScheduledProcedureStep) -> str:
        """TQ (§2A.81): start and priority, up to v2.6."""
        start = times.from_utc(step.start, self._envelope.zone)
        return components("", "", "", start, "", _priority(self.order))

    def tq1(self, number: int, step: ScheduledProcedureStep) -> str:
        """TQ1 (§4.5.4): start and priority, from v2.5 on."""
        start = times.from_utc(step.start, self._envelope.zone)
        return segment("TQ1", {1: str(number), 7: start, 9: _priority(self.order)})

    def ipc(self, step: ScheduledProcedureStep) -> str:
        """IPC (§4.5.6): a scheduled procedure step."""
        order = self.order
        return segment(
            "IPC",
            {
                1: text(order.accession_number),
                2: text(order.requested_procedure_id),
                3: text(order.study_instance_uid),
                4: text(step.step_id),
                5: text(step.modality),
                6: ce(step.protocol),
                7: text(step.station_name),
                8: text(step.location),
                9: [text(aet) for aet in step.station_aet],
            },
        )

    def zds(self) -> str:
        """ZDS (IHE RAD-4, table 4.4-6): the Study Instance UID as a reference pointer."""
        return segment("ZDS", {1: components(self.order.study_instance_uid, "Application", "DICOM")})


def _orm(writer: _Writer) -> list[str]:
    lines = []
    for number, step in enumerate(writer.order.steps, start=1):
        timing = writer.timing(step)
        lines += [writer.orc(timing), writer.obr(number, step, whole=True, timing=timing)]
    return [*lines, writer.zds()]


def _omg(writer: _Writer) -> list[str]:
    if not writer.has_tq1:
        return _orm(writer)
    lines = []
    for number, step in enumerate(writer.order.steps, start=1):
        lines += [writer.orc(), writer.tq1(1, step), writer.obr(number, step, whole=True)]
    return [*lines, writer.zds()]


def _omi(writer: _Writer) -> list[str]:
    lines = []
    for number, steps in enumerate(_groups(writer.order.steps), start=1):
        lines.append(writer.orc())
        lines += [writer.tq1(place, step) for place, step in enumerate(steps, start=1)]
        lines.append(writer.obr(number, steps[0], whole=False))
        lines += [writer.ipc(step) for step in steps]
    return lines


def _groups(steps: tuple[ScheduledProcedureStep, ...]) -> list[tuple[ScheduledProcedureStep, ...]]:
    """All steps under one OBR, unless they have physicians of their own, which only OBR-34 can say."""
    physicians = {step.performing_physician.model_dump_json() for step in steps}
    return [steps] if len(physicians) == 1 else [(step,) for step in steps]


def _priority(order: Order) -> str:
    """Requested Procedure Priority (0040,1003) → HL7 table 0485; empty where there is none."""
    return PACKAGED.code("priority-code", order.priority) or ""


_BODIES = {"ORM^O01": _orm, "OMG^O19": _omg, "OMI^O23": _omi}

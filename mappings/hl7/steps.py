"""The scheduled procedure steps of an order: IPC, or else OBR and its timing.

| ScheduledProcedureStep | OMI (v2.5 §4.5.6) | ORM, OMG (IHE RAD-4) |
|---|---|---|
| step_id (0040,0009) | IPC-4 | OBR-20 |
| modality (0008,0060) | IPC-5 | OBR-24 |
| protocol (0040,0008) | IPC-6 | OBR-4.4–6 |
| station_name (0040,0010) | IPC-7 | – |
| location (0040,0011) | IPC-8 | – |
| station_aet (0040,0001) | IPC-9 | OBR-21 |
| start (0040,0002), (0040,0003) | TQ1-7 | OBR-27.4, ORC-7.4, TQ1-7, OBR-36 |
| performing_physician (0040,0006) | OBR-34 | OBR-34 |

What a sender puts where another type has it is read there too: an IPC-5 that is empty leaves it to OBR-24.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from mappings.hl7.datatypes import coded, named_with_date
from mappings.hl7.fields import first_time
from mappings.hl7.reader import Segments
from radflow.model import CodedConcept, ScheduledProcedureStep

MODALITY_UNKNOWN = "OT"
"""Modality (0008,0060) Other: OBR-24 is required by IHE RAD-4 only, and many placers leave it empty."""

_SH = 16
"""A DICOM SH holds 16 characters: a longer number would be cut, and then found by nobody."""
_STARTS = ("OBR-27.4", "ORC-7.4", "TQ1-7", "OBR-36")
_FROM_IPC = {
    "protocol": ("IPC-6",),
    "station_name": ("IPC-7",),
    "location": ("IPC-8",),
    "station_aet": ("IPC-9",),
}
_FROM_OBR = {
    "protocol": ("OBR-4.4", "OBR-4.5"),
    "station_aet": ("OBR-21",),
    "start": _STARTS,
    "performing_physician": ("OBR-34",),
}


@dataclass(frozen=True)
class ToldStep:
    """A step, and the names of its fields of which the message says something."""

    value: ScheduledProcedureStep
    sent: frozenset[str]


def short(*candidates: str) -> str:
    """The first that is there and that a DICOM SH can hold; else empty."""
    return next((value for value in map(str.strip, candidates) if 0 < len(value) <= _SH), "")


def read_steps(group: Segments, name: str, zone: ZoneInfo) -> tuple[ToldStep, ...]:
    """The steps of an order group, one for each IPC; without IPC the one that OBR tells.

    Args:
        name: a step without an ID is named by it.

    Raises:
        NotTakable: a time is none.
    """
    ipcs: list[Segments | None] = [*group.each("IPC")] or [None]
    return tuple(_step(group, ipc, number, len(ipcs), name, zone) for number, ipc in enumerate(ipcs, start=1))


def on_known_steps(
    told: Sequence[ToldStep], known: Sequence[ScheduledProcedureStep]
) -> tuple[ScheduledProcedureStep, ...]:
    """The steps as they are now.

    Steps that are told by their ID are all there are (HL7 sends what repeats whole, §2.10.4); each keeps what
    it does not tell. Steps without an ID are those that are known, in their order, and no others fall away.
    """
    by_id = {step.step_id: step for step in known}
    named = any("step_id" in step.sent for step in told)
    steps = []
    for number, step in enumerate(told):
        base = by_id.get(step.value.step_id)
        if base is None and (not named or len(told) == len(known) == 1):
            # The only step, now under the scheduler's ID; or the step at this place.
            base = known[number] if number < len(known) else None
        steps.append(_on_top_of(step, base))
    rest = () if named else known[len(told) :]
    return (*steps, *rest)


def _on_top_of(told: ToldStep, known: ScheduledProcedureStep | None) -> ScheduledProcedureStep:
    if known is None:
        return told.value
    return known.model_copy(update={name: getattr(told.value, name) for name in told.sent})


def _step(
    group: Segments, ipc: Segments | None, number: int, count: int, name: str, zone: ZoneInfo
) -> ToldStep:
    own = ipc or group
    step_id = short(own.get("IPC-4"), group.get("OBR-20") if count == 1 else "")
    modality = own.get("IPC-5").strip() or group.get("OBR-24").strip()
    aets = own.repetitions("IPC-9") or group.repetitions("OBR-21")
    protocol = coded(own.field("IPC-6"))
    value = ScheduledProcedureStep(
        step_id=step_id or (name if number == 1 else f"{name}-{number}"),
        modality=modality or MODALITY_UNKNOWN,
        start=first_time(_timing(group, number, count), _STARTS, zone),
        station_aet=tuple(filter(None, (aet.get().strip() for aet in aets))),
        station_name=own.get("IPC-7").strip(),
        location=(own.get("IPC-8") or own.get("IPC-8.2")).strip(),
        protocol=protocol if protocol != CodedConcept() else coded(group.field("OBR-4"), first=4),
        performing_physician=named_with_date(group.repetitions("OBR-34")),
    )
    sent = {field for field, paths in _FROM_IPC.items() if own.says(*paths)}
    sent |= {field for field, paths in _FROM_OBR.items() if group.says(*paths)}
    # What a step is never without is not deleted either, and a number that several share is nobody's.
    needed = {"step_id": step_id, "modality": modality}
    return ToldStep(value, frozenset(sent - needed.keys() | {name for name, told in needed.items() if told}))


def _timing(group: Segments, number: int, count: int) -> Segments:
    """The group as this step has it: where there is a TQ1 for each IPC, the one at its place."""
    timings = list(group.each("TQ1"))
    return timings[number - 1] if count > 1 and len(timings) == count else group

"""The segments that begin what radflow sends: MSH, PID, PD1, PV1.

Written by their field numbers: hl7apy leaves withdrawn fields out from v2.7 on, so that what follows them
moves, and takes about a second for a message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from mappings.hl7 import times
from mappings.hl7.encoding import ce, cx, dt, text, xad, xcn, xpn, xtn
from radflow.model import Order, Patient, Practitioner

_DECEASED = {True: "Y", False: "N", None: ""}
"""HL7 table 0136."""


@dataclass(frozen=True)
class Envelope:
    """What a message says beside its content."""

    control_id: str
    """MSH-10, the same whenever the message is sent again."""
    now: datetime
    zone: ZoneInfo
    """Times are written in it, with their offset."""
    sending: tuple[str, str]
    """Application and facility (MSH-3, MSH-4)."""
    receiving: tuple[str, str]
    """Application and facility (MSH-5, MSH-6)."""


def header(kind: str, version: str, envelope: Envelope, character_set: str = "UNICODE UTF-8") -> str:
    """MSH (§2.14.9); `kind` is MSH-9, as in `ORU^R01^ORU_R01`, `character_set` MSH-18."""
    fields = segment(
        "MSH",
        {
            3: text(envelope.sending[0]),
            4: text(envelope.sending[1]),
            5: text(envelope.receiving[0]),
            6: text(envelope.receiving[1]),
            7: times.from_utc(envelope.now, envelope.zone),
            9: kind,
            10: envelope.control_id,
            11: "P",
            12: version,
            18: character_set,
        },
    )
    # MSH-1 is the delimiter itself.
    return fields.replace("MSH||", "MSH|^~\\&", 1)


def segment(name: str, fields: Mapping[int, str | Sequence[str]]) -> str:
    """A segment as text: field number → its value, or its repetitions, escaped already."""
    last = max((number for number, value in fields.items() if value), default=0)
    return "|".join([name, *(_field(fields.get(number, "")) for number in range(1, last + 1))])


def _field(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else "~".join(filter(None, value))


def patient_segments(patient: Patient, zone: ZoneInfo) -> list[str]:
    """PID (§3.4.2), and PD1 where it has something to say."""
    pid = segment(
        "PID",
        {
            1: "1",
            3: [cx(identifier) for identifier in patient.identifiers],
            5: [*xpn(patient.name), *(name for other in patient.other_names for name in xpn(other))],
            6: xpn(patient.mothers_maiden_name),
            7: dt(patient.birth_date),
            8: text(patient.sex),
            11: [xad(address) for address in patient.addresses],
            13: [xtn(telecom) for telecom in patient.home_telecoms],
            14: [xtn(telecom) for telecom in patient.business_telecoms],
            15: ce(patient.language),
            16: ce(patient.marital_status),
            18: cx(patient.account_number),
            29: times.from_utc(patient.died_at, zone),
            30: _DECEASED[patient.deceased],
        },
    )
    if patient.primary_care_physician == Practitioner():
        return [pid]
    return [pid, segment("PD1", {4: xcn(patient.primary_care_physician)})]


def visit_segments(order: Order) -> list[str]:
    """PV1 (§3.4.3), where the order knows something of the visit."""
    fields: dict[int, str | Sequence[str]] = {
        2: text(order.patient_class),
        8: xcn(order.referring_physician),
        19: cx(order.visit_number),
    }
    return [segment("PV1", {1: "1", **fields})] if any(fields.values()) else []


def comment(number: int, words: str) -> str:
    """NTE (§2.15.10), a repetition of NTE-3 for each line."""
    return segment("NTE", {1: str(number), 3: "~".join(text(line) for line in words.split("\n"))})

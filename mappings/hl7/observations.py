"""Structured OBX → ReportedObservation (v2.5.1 §7.4.2): NM, SN, NA, CE, CWE, CNE, CF, DT, TM, TS, DTM.

A value that is not what OBX-2 says is kept as the text that was sent: a result is never lost to a slip.
"""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from mappings.hl7 import times
from mappings.hl7.datatypes import coded, entity_identifier, organization, practitioner
from mappings.hl7.notes import notes_of
from mappings.hl7.reader import Repetition, Segments
from radflow.model import CodedConcept, ReportedObservation

_DAY = re.compile(r"(\d{4})(\d\d)?(\d\d)?")
_TIME = re.compile(r"(\d\d)(\d\d)?(\d\d)?(?:\.\d+)?(?:[+-]\d{4})?")
_WITH_HOUR = 10
"""Digits of a time that tells an hour at least."""


def read_observation(obx: Segments, zone: ZoneInfo) -> ReportedObservation | None:
    """The observation of an OBX and the NTE after it; None where OBX-2 is a text, a document or unknown."""
    value_type = obx.get("OBX-2")
    read = _READERS.get(value_type)
    if value_type in _TIME_STAMPS:
        read = partial(_time_stamp, zone)
    if read is None:
        return None
    values = obx.repetitions("OBX-5")
    return ReportedObservation(
        code=coded(obx.field("OBX-3")),
        sub_id=obx.get("OBX-4"),
        value_type=value_type,
        **(read(values) or _as_sent(values)),
        unit=coded(obx.field("OBX-6")),
        reference_range=obx.get("OBX-7"),
        interpretations=_interpretations(obx),
        status=obx.get("OBX-11"),
        observed=_moment(obx.get("OBX-14"), zone),
        organization=_producer(obx),
        observer=practitioner(obx.repetitions("OBX-16")),
        method=coded(obx.field("OBX-17")),
        device=entity_identifier(obx.field("OBX-18")),
        body_site=coded(obx.field("OBX-20")),
        identifier=entity_identifier(obx.field("OBX-21")),
        notes=notes_of(obx),
    )


def _number(sent: str) -> Decimal | None:
    try:
        value = Decimal(sent.strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _nm(values: list[Repetition]) -> dict[str, Any]:
    numbers = [_number(value.get(1)) for value in values]
    if not numbers or None in numbers:
        return {}
    return {"number": numbers[0]} if len(numbers) == 1 else {"numbers": tuple(numbers)}


def _na(values: list[Repetition]) -> dict[str, Any]:
    """NA: the numbers are components (§2A.44)."""
    sent = [part for value in values for number in range(1, 100) if (part := value.get(number))]
    numbers = [_number(part) for part in sent]
    return {} if not numbers or None in numbers else {"numbers": tuple(numbers)}


def _sn(values: list[Repetition]) -> dict[str, Any]:
    """SN: comparator, number, separator or suffix, number (§2A.69)."""
    if not values:
        return {}
    comparator, first, separator, second = (values[0].get(number).strip() for number in (1, 2, 3, 4))
    numbers = (_number(first), _number(second))
    if numbers[0] is None or (second and numbers[1] is None):
        return {}
    return {
        "comparator": comparator, "number": numbers[0], "separator": separator, "second_number": numbers[1],
    }  # fmt: skip


def _coded(values: list[Repetition]) -> dict[str, Any]:
    every = (coded(value, first) for value in values for first in (1, 4))
    codes = tuple(code for code in every if code != CodedConcept())
    return {"codes": codes} if codes else {}


def _time_stamp(zone: ZoneInfo, values: list[Repetition]) -> dict[str, Any]:
    sent = values[0].get(1).strip() if values else ""
    if len(re.split(r"[.+-]", sent)[0]) >= _WITH_HOUR:
        moment = _moment(sent, zone)
        return {"moment": moment} if moment else {}
    return _date(values)


def _date(values: list[Repetition]) -> dict[str, Any]:
    match = _DAY.fullmatch(values[0].get(1).strip()) if values else None
    try:
        if match is None or (match[2] and times.to_utc(match[0], _ANY_ZONE) is None):
            return {}
    except ValueError:
        return {}
    return {"day": "-".join(part for part in match.groups() if part)}


def _clock(values: list[Repetition]) -> dict[str, Any]:
    match = _TIME.fullmatch(values[0].get(1).strip()) if values else None
    if match is None:
        return {}
    hour, minute, second = (int(part or 0) for part in match.groups())
    if hour > 23 or minute > 59 or second > 59:
        return {}
    return {"time_of_day": f"{hour:02}:{minute:02}:{second:02}"}


_READERS: dict[str, Callable[[list[Repetition]], dict[str, Any]]] = {
    "NM": _nm,
    "NA": _na,
    "SN": _sn,
    **dict.fromkeys(("CE", "CWE", "CNE", "CF"), _coded),
    "DT": _date,
    "TM": _clock,
}
_TIME_STAMPS = frozenset({"TS", "DTM"})
_ANY_ZONE = ZoneInfo("UTC")


def _as_sent(values: list[Repetition]) -> dict[str, str]:
    return {"text": " ".join(value.raw for value in values)}


def _interpretations(obx: Segments) -> tuple[CodedConcept, ...]:
    """OBX-8: an IS up to v2.6, a CWE from v2.7 on."""
    return tuple(coded(each) for each in obx.repetitions("OBX-8"))


def _moment(sent: str, zone: ZoneInfo) -> datetime | None:
    try:
        return times.to_utc(sent, zone)
    except ValueError:
        return None


def _producer(obx: Segments) -> CodedConcept:
    """OBX-15 (CE), or else OBX-23 (XON)."""
    producer = coded(obx.field("OBX-15"))
    if producer != CodedConcept():
        return producer
    performing = organization(obx.field("OBX-23"))
    number = performing.identifier
    return CodedConcept(
        code=number.value if number else "", display=performing.name, system=number.assigner if number else ""
    )

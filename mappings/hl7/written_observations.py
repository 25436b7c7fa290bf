"""ReportedObservation → OBX (v2.5.1 §7.4.2) and its NTE: the reverse of `mappings.hl7.observations`."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from zoneinfo import ZoneInfo

from mappings.hl7 import times
from mappings.hl7.encoding import ce, components, ei, text, xcn
from mappings.hl7.written_segments import comment, segment
from radflow.model import CodedConcept, ReportedObservation

_HAS_SITE = "2.7"
"""The first version whose OBX-20 is the observation site and OBX-21 its own identifier."""


def plain(
    number: int, value_type: str, name: str, value: str | list[str], *, sub_id: str = "", status: str
) -> str:
    """An OBX of text or of a document; `name` and `value` are escaped already."""
    return segment(
        "OBX", {1: str(number), 2: value_type, 3: name, 4: text(sub_id), 5: value, 11: text(status)}
    )


def observation_segments(
    number: int, one: ReportedObservation, zone: ZoneInfo, version: str, status: str
) -> Iterator[str]:
    """The OBX of this number (OBX-1), then its comments.

    Args:
        version: MSH-12. Up to v2.6 OBX has no place for the site: it is told in a comment.
        status: OBX-11 where the observation has none of its own.
    """
    has_site = version >= _HAS_SITE
    yield segment(
        "OBX",
        {
            1: str(number),
            2: one.value_type,
            3: ce(one.code),
            4: text(one.sub_id),
            5: _value(one, zone),
            6: ce(one.unit),
            7: text(one.reference_range),
            8: [ce(code) if has_site else text(code.code) for code in one.interpretations],
            11: text(one.status or status),
            14: times.from_utc(one.observed, zone),
            15: ce(one.organization),
            16: xcn(one.observer),
            17: ce(one.method),
            18: ei(one.device),
            20: ce(one.body_site) if has_site else "",
            21: ei(one.identifier) if has_site else "",
        },
    )
    site = [] if has_site or one.body_site == CodedConcept() else [_in_words(one.body_site)]
    for place, note in enumerate([*one.notes, *site], start=1):
        yield comment(place, note)


def _value(one: ReportedObservation, zone: ZoneInfo) -> str | list[str]:
    """OBX-5, by OBX-2; what could not be read as that goes out as it came."""
    if one.text:
        return text(one.text)
    return _WRITERS.get(one.value_type, partial(_time_stamp, zone))(one)


def _in_words(site: CodedConcept) -> str:
    code = f" ({site.system} {site.code})" if site.code and site.display else site.code
    return f"Site: {site.display}{code}"


def _digits(value: Decimal | None) -> str:
    """NM (§2A.46): no exponent."""
    return "" if value is None else f"{value:f}"


def _nm(one: ReportedObservation) -> list[str]:
    return [_digits(value) for value in (one.numbers or (one.number,))]


def _na(one: ReportedObservation) -> str:
    return components(*map(_digits, one.numbers))


def _sn(one: ReportedObservation) -> str:
    return components(one.comparator, _digits(one.number), one.separator, _digits(one.second_number))


def _codes(one: ReportedObservation) -> list[str]:
    return [ce(code) for code in one.codes]


def _day(one: ReportedObservation) -> str:
    return one.day.replace("-", "")


def _clock(one: ReportedObservation) -> str:
    return one.time_of_day.replace(":", "")


def _time_stamp(zone: ZoneInfo, one: ReportedObservation) -> str:
    return times.from_utc(one.moment, zone) or _day(one)


_WRITERS: dict[str, Callable[[ReportedObservation], str | list[str]]] = {
    "NM": _nm,
    "NA": _na,
    "SN": _sn,
    **dict.fromkeys(("CE", "CWE", "CNE", "CF"), _codes),
    "DT": _day,
    "TM": _clock,
}

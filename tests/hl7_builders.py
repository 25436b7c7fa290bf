"""HL7 messages for tests: a segment by its field numbers, and ready-made orders and reports."""

from collections.abc import Mapping

NEW_ORDER: Mapping[str, Mapping[int, str]] = {
    "PID": {3: "4711^^^HOSP", 5: "Müller^Åse"},
    "ORC": {1: "NW", 2: "P1^EHR"},
    "OBR": {2: "P1^EHR", 4: "CTCHEST^CT chest^L", 24: "CT"},
}
FINAL_REPORT: Mapping[str, Mapping[int, str]] = {
    "PID": {3: "4711^^^HOSP"},
    "OBR": {2: "P1^EHR", 4: "CTCHEST^CT chest^L", 25: "F"},
    "OBX": {1: "1", 2: "TX", 5: "No focal lesion.", 11: "F"},
}


def segment(name: str, fields: Mapping[int, str]) -> str:
    """`segment("OBR", {4: "CT"})` is `OBR||||CT`; MSH begins with MSH-2."""
    first = 2 if name == "MSH" else 1
    return "|".join([name, *(fields.get(number, "") for number in range(first, max(fields, default=0) + 1))])


def header(kind: str, control_id: str, **changes: str) -> str:
    """MSH; `msh_12="2.3"` changes a field."""
    fields = {2: r"^~\&", 3: "EHR", 4: "HOSPITAL", 5: "RADFLOW", 7: "20261124080000", 9: kind, 10: control_id}
    fields |= {11: "P", 12: "2.5.1", 18: "UNICODE UTF-8"}
    return segment("MSH", fields | {int(name.removeprefix("msh_")): value for name, value in changes.items()})


def message(kind: str, control_id: str, *segments: str, **msh: str) -> bytes:
    return "\r".join((header(kind, control_id, **msh), *segments)).encode() + b"\r"


def an_orm(
    control_id: str = "M1", *, changes: Mapping[str, Mapping[int, str]] | None = None, **msh: str
) -> bytes:
    """A new order P1 for a CT; `changes={"ORC": {1: "CA"}}` changes fields."""
    return message("ORM^O01^ORM_O01", control_id, *_segments(NEW_ORDER, changes or {}), **msh)


def an_oru(
    control_id: str = "R1", *, changes: Mapping[str, Mapping[int, str]] | None = None, **msh: str
) -> bytes:
    """A final report of order P1."""
    return message("ORU^R01^ORU_R01", control_id, *_segments(FINAL_REPORT, changes or {}), **msh)


def order_named(number: str, **orc: str) -> dict[str, dict[int, str]]:
    """Changes that make `an_orm` an order of this number; `orc_1="CA"` changes ORC."""
    fields = {int(name.removeprefix("orc_")): value for name, value in orc.items()}
    return {"ORC": {2: f"{number}^EHR"} | fields, "OBR": {2: f"{number}^EHR"}}


def _segments(usual: Mapping[str, Mapping[int, str]], changes: Mapping[str, Mapping[int, str]]) -> list[str]:
    return [segment(name, {**fields, **changes.get(name, {})}) for name, fields in usual.items()]

"""HL7 messages for tests: a segment by its field numbers, and ready-made messages of each kind."""

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


ADMISSION: Mapping[str, Mapping[int, str]] = {
    "EVN": {2: "20261124075900"},
    "PID": {3: "4711^^^HOSP^MR", 5: "Müller^Åse", 7: "19610412", 8: "F"},
    "PV1": {2: "I", 3: "RAD^1^2", 19: "V1^^^HOSP"},
}
MERGER: Mapping[str, Mapping[int, str]] = {
    "EVN": {2: "20261124075900"},
    "PID": {3: "4711^^^HOSP^MR", 5: "Müller^Åse"},
    "MRG": {1: "T99^^^HOSP^MR"},
}
APPOINTMENT: Mapping[str, Mapping[int, str]] = {
    "SCH": {1: "APT1", 26: "P1^EHR", 27: "F1^RIS"},
    "PID": {3: "4711^^^HOSP"},
    "RGS": {1: "1"},
    "AIS": {1: "1", 3: "CTCHEST^CT chest^L", 4: "20261126093000"},
    "AIL": {1: "1", 3: "RAD^ROOM 2"},
    "AIP": {1: "1", 3: "42^Moreau^Élise^^^^^^STAFF"},
}
CATALOGUE: Mapping[str, Mapping[int, str]] = {
    "MFI": {1: "OMA", 3: "UPD", 6: "NE"},
    "MFE": {1: "MUP", 2: "1", 3: "20261201", 4: "CTCHEST^CT chest^L", 5: "CE"},
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


def an_omg(
    control_id: str = "G1", *, changes: Mapping[str, Mapping[int, str]] | None = None, **msh: str
) -> bytes:
    """The order of `an_orm` as OMG^O19."""
    return message("OMG^O19^OMG_O19", control_id, *_segments(NEW_ORDER, changes or {}), **msh)


def an_omi(
    control_id: str = "I1", *, changes: Mapping[str, Mapping[int, str]] | None = None, **msh: str
) -> bytes:
    """The order of `an_orm` as OMI^O23, its modality in IPC-5."""
    usual = {**NEW_ORDER, "OBR": {2: "P1^EHR", 4: "CTCHEST^CT chest^L"}, "IPC": {5: "CT"}}
    return message("OMI^O23^OMI_O23", control_id, *_segments(usual, changes or {}), **msh)


def an_adt(
    event: str = "A08",
    control_id: str = "A1",
    *,
    changes: Mapping[str, Mapping[int, str]] | None = None,
    **msh: str,
) -> bytes:
    """An event of patient 4711: with MRG for A18, A34, A40, A47, with PV1 for the others."""
    usual = MERGER if event in ("A18", "A34", "A40", "A47") else ADMISSION
    return message(f"ADT^{event}", control_id, *_segments(usual, changes or {}), **msh)


def an_siu(
    event: str = "S12",
    control_id: str = "S1",
    *,
    changes: Mapping[str, Mapping[int, str]] | None = None,
    **msh: str,
) -> bytes:
    """An appointment for order P1."""
    return message(f"SIU^{event}", control_id, *_segments(APPOINTMENT, changes or {}), **msh)


def an_mfn(
    event: str = "M13",
    control_id: str = "N1",
    *,
    changes: Mapping[str, Mapping[int, str]] | None = None,
    **msh: str,
) -> bytes:
    """A change of a procedure in the catalogue."""
    return message(f"MFN^{event}", control_id, *_segments(CATALOGUE, changes or {}), **msh)


def order_named(number: str, **orc: str) -> dict[str, dict[int, str]]:
    """Changes that make `an_orm` an order of this number; `orc_1="CA"` changes ORC."""
    fields = {int(name.removeprefix("orc_")): value for name, value in orc.items()}
    return {"ORC": {2: f"{number}^EHR"} | fields, "OBR": {2: f"{number}^EHR"}}


def _segments(usual: Mapping[str, Mapping[int, str]], changes: Mapping[str, Mapping[int, str]]) -> list[str]:
    return [segment(name, {**fields, **changes.get(name, {})}) for name, fields in usual.items()]

"""ORU^R01 → reports (IHE RAD-28 Structured Report Export)."""

from base64 import b64encode
from zoneinfo import ZoneInfo

from mappings.hl7.datatypes import coded, entity_identifier, named_with_date
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.fields import time
from mappings.hl7.notes import notes
from mappings.hl7.observations import read_observation
from mappings.hl7.reader import Hl7Message, Repetition, Segments
from radflow.model import Attachment, Identifier, Practitioner, Report

STUDY = "113014"
"""DICOM Study (DCM) in OBX-3: OBX-5 is the Study Instance UID."""
_UIDS = frozenset({STUDY, "113015", "113016", "113018"})
"""DICOM Study, Series, SOP Instance (DCM): UIDs, and no part of the narrative."""

ADDENDUM = "55107-7"
"""LOINC: Addendum Document."""

_WITHDRAWN = frozenset({"D", "W"})
"""OBX-11, HL7 table 0085: deleted, or posted for the wrong patient."""

_MEDIA_TYPES = {"AP": "application", "AU": "audio", "FT": "text", "IM": "image", "TX": "text"}
"""HL7 table 0191, where its codes are no MIME types themselves."""


def check_reports(message: Hl7Message) -> None:
    """See whether the message has what a report needs: cheap enough to be asked before the ACK.

    Raises:
        NotTakable: an OBR has no number to find its order by, or no status.
    """
    groups = message.groups()
    if not groups or not all(group.has("OBR") for group in groups):
        raise NotTakable(ErrorCode.SEGMENT_SEQUENCE_ERROR, "OBR^1", "The message has no OBR.")
    for number, group in enumerate(groups, start=1):
        numbers = (*_order_numbers(group), group.get("OBR-18"), _study_instance_uid(message, group))
        if not any(numbers):
            raise NotTakable(
                ErrorCode.REQUIRED_FIELD_MISSING, f"OBR^{number}^3",
                "None of OBR-2, OBR-3, OBR-18 and the Study Instance UID says which order is reported.",
            )  # fmt: skip
        if not _status(group):
            raise NotTakable(
                ErrorCode.REQUIRED_FIELD_MISSING, f"OBR^{number}^25", "OBR-25 has no result status."
            )


def read_reports(message: Hl7Message, *, site: str, zone: ZoneInfo) -> list[Report]:
    """The reports of the message, one for each OBR.

    Raises:
        NotTakable: something needed is missing, or a time is none.
    """
    check_reports(message)
    return [_report(message, group, site, zone) for group in message.groups()]


def _report(message: Hl7Message, group: Segments, site: str, zone: ZoneInfo) -> Report:
    placer, filler = _order_numbers(group)
    observations = [read_observation(obx, zone) for obx in group.groups_from("OBX")]
    text, addenda = _words(group)
    return Report(
        site=site,
        placer_order_number=placer,
        filler_order_number=filler,
        accession_number=group.get("OBR-18").strip(),
        study_instance_uid=_study_instance_uid(message, group),
        status=_status(group),
        code=coded(group.field("OBR-4")),
        issued=time(group, "OBR-22", zone),
        observed=time(group, "OBR-7", zone),
        interpreter=named_with_date(group.repetitions("OBR-32")),
        text=text,
        addenda=addenda,
        attachments=tuple(_attachment(obx.field("OBX-5")) for obx in _valid(group, "ED")),
        observations=tuple(filter(None, observations)),
        ended=time(group, "OBR-8", zone),
        section=group.get("OBR-24"),
        assistant_interpreters=_each_named(group, "OBR-33"),
        technicians=_each_named(group, "OBR-34"),
        transcriptionists=_each_named(group, "OBR-35"),
        notes=notes(group),
        appended=any(map(_is_addendum, group.each("OBX"))),
        withdrawn=_is_withdrawn(group),
    )


def _each_named(group: Segments, path: str) -> tuple[Practitioner, ...]:
    named = (named_with_date([each]) for each in group.repetitions(path))
    return tuple(one for one in named if one != Practitioner())


def _is_addendum(obx: Segments) -> bool:
    """OBX-3 with suffix ADT (v2.5.1 §7.2.4), LOINC's addendum, or OBX-11 B: appended."""
    name = obx.field("OBX-3")
    return "ADT" in (name.get(1, 2), name.get(2, 2)) or name.get(1) == ADDENDUM or obx.get("OBX-11") == "B"


def _is_withdrawn(group: Segments) -> bool:
    statuses = {obx.get("OBX-11") for obx in group.each("OBX") if not _names_images(obx)}
    return bool(statuses) and statuses <= _WITHDRAWN


def _order_numbers(group: Segments) -> tuple[Identifier | None, Identifier | None]:
    placer = entity_identifier(group.field("OBR-2")) or entity_identifier(group.field("ORC-2"))
    filler = entity_identifier(group.field("OBR-3")) or entity_identifier(group.field("ORC-3"))
    return placer, filler


def _status(group: Segments) -> str:
    # Some leave OBR-25 empty and say it in each OBX-11 only.
    return group.get("OBR-25") or group.get("OBX-11")


def _study_instance_uid(message: Hl7Message, group: Segments) -> str:
    for obx in group.each("OBX"):
        if obx.get("OBX-3") == STUDY:
            return obx.get("OBX-5").strip()
    return group.get("ZDS-1") or message.get("ZDS-1")


def _valid(group: Segments, *value_types: str) -> list[Segments]:
    return [
        obx
        for obx in group.each("OBX")
        if obx.get("OBX-2") in value_types and obx.get("OBX-11") not in _WITHDRAWN
    ]


def _narrative(group: Segments) -> list[Segments]:
    return [obx for obx in _valid(group, "TX", "FT", "ST") if not _names_images(obx)]


def _names_images(obx: Segments) -> bool:
    return obx.get("OBX-3") in _UIDS or obx.get("OBX-3.2").endswith("Instance UID")


def _words(group: Segments) -> tuple[str, tuple[str, ...]]:
    """The whole narrative, and the addenda at its end: OBX of one OBX-4 after another are one addendum."""
    narrative: list[str] = []
    addenda: dict[str, list[str]] = {}
    for obx in _narrative(group):
        lines = addenda.setdefault(obx.get("OBX-4"), []) if _is_addendum(obx) else narrative
        lines += _text_lines(obx)
    added = tuple("\n".join(lines) for lines in addenda.values())
    return "\n".join([*(["\n".join(narrative)] if narrative else []), *added]), added


def _text_lines(obx: Segments) -> list[str]:
    """The repetitions of OBX-5. An empty one is an empty line."""
    lines = [repetition.text for repetition in obx.repetitions("OBX-5", empty=True)]
    return [line.replace("\r\n", "\n").replace("\r", "\n") for line in lines]


def _attachment(field: Repetition) -> Attachment:
    """ED: source application, type, subtype, encoding, data (v2.5.1 §2A.24)."""
    kind, subtype, encoding, data = (field.get(number) for number in (2, 3, 4, 5))
    main = _MEDIA_TYPES.get(kind.upper(), kind).lower()
    content_type = subtype.lower() if "/" in subtype else f"{main}/{subtype.lower() or 'octet-stream'}"
    return Attachment(content_type=content_type, data=_as_base64(encoding, data))


def _as_base64(encoding: str, data: str) -> str:
    """HL7 table 0299: Base64, Hex, or A for none."""
    if encoding.lower() == "base64":
        return "".join(data.split())
    try:
        content = bytes.fromhex(data) if encoding.lower() == "hex" else data.encode()
    except ValueError:
        raise NotTakable(ErrorCode.DATA_TYPE_ERROR, "OBX^1^5", "OBX-5 is not hexadecimal.") from None
    return b64encode(content).decode()

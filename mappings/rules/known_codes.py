"""Which codes a site's table may lead to, at places where radflow knows only some."""

import re
from collections.abc import Callable

from mappings.fhir.codes import administrative_gender
from mappings.hl7.codes import WITHOUT_REPORT, priority, report_event
from mappings.rules.paths import Place, place

_MODALITY = re.compile(r"[A-Z0-9_ ]{1,16}")
"""A DICOM CS (PS3.5 §6.2)."""


def _is_result_status(code: str) -> bool:
    return code in WITHOUT_REPORT or report_event(code) is not None


_KNOWN: dict[Place, tuple[Callable[[str], bool], str]] = {
    place("PID-8"): (lambda code: administrative_gender(code) is not None, "HL7 table 0001"),
    place("OBR-24"): (lambda code: bool(_MODALITY.fullmatch(code)), "DICOM modalities, as CT or MR"),
    place("OBR-25"): (_is_result_status, "HL7 table 0123"),
    **{
        place(path): (lambda code: bool(priority(code)), "HL7 tables 0485 and 0027")
        for path in ("OBR-5", "OBR-27.6", "ORC-7.6", "TQ1-9")
    },
}


def why_unknown(path: str, code: str) -> str:
    """Why this code would not be understood at the path; empty when it would."""
    knows, whose = _KNOWN.get(place(path), (None, ""))
    return "" if knows is None or knows(code) else f"{path} takes none but codes of {whose}."

"""What kind of message it is: MSH-9, also as the older versions and the shorter senders write it.

v2.1 has the message type alone, and the event in EVN-1. Some name the structure (MSH-9.3) and no event: of
most types it holds the event; several ADT events share one, so there it does not tell.
"""

from mappings.hl7.reader import Segments

_ONLY_EVENT = {"ORM": "O01", "ORU": "R01", "OMG": "O19", "OMI": "O23"}
"""Types that are taken with one event only."""

_MASTER_FILES = {"STF": "M02", "PRA": "M02", "LOC": "M05"}
"""MFI-1, HL7 table 0175, where MSH-9 does not tell the event; any other file is a general one."""


def message_type(message: Segments) -> str:
    """MSH-9.1 ^ MSH-9.2, as in `ORM^O01`; without an event `ORM^`."""
    return f"{message.get('MSH-9.1').strip()}^{event(message)}"


def event(message: Segments) -> str:
    """The trigger event (HL7 table 0003), as in `A08`; empty where nothing tells it."""
    code = message.get("MSH-9.1").strip()
    told = message.get("MSH-9.2").strip() or message.get("EVN-1").strip()
    if told or not code:
        return told
    if code in _ONLY_EVENT:
        return _ONLY_EVENT[code]
    if code == "MFN":
        return _MASTER_FILES.get(message.get("MFI-1").upper(), "M01")
    structure = message.get("MSH-9.3").strip().partition("_")[2]
    return "" if code == "ADT" else structure

"""ORC, OBR, NTE and TQ1 → OrderDetails: what they say beside what carries an order out."""

from mappings.hl7.datatypes import address, coded, entity_identifier, organization, practitioner, telecom
from mappings.hl7.notes import notes
from mappings.hl7.reader import Segments
from radflow.model import CodedConcept, OrderDetails, Organization, Telecom

SOURCES: dict[str, tuple[str, ...]] = {
    "group_number": ("ORC-4",),
    "alternate_placer_number": ("ORC-33", "OBR-53"),
    "reasons": ("OBR-31",),
    "clinical_information": ("OBR-13",),
    "procedure_modifiers": ("OBR-45", "OBR-46", "OBR-47"),
    "notes": ("NTE-3", "TQ1-11"),
    "callback": ("OBR-17", "ORC-14"),
    "entered_by": ("ORC-10",),
    "verified_by": ("ORC-11",),
    "entering_organization": ("ORC-17",),
    "status_reason": ("ORC-16",),
    "ordering_facility": ("ORC-21", "ORC-22", "ORC-23"),
    "confidentiality": ("ORC-28",),
}
"""Field of `OrderDetails` → where it comes from."""


def read_details(group: Segments) -> OrderDetails:
    """The details of one order group."""
    return OrderDetails(
        group_number=entity_identifier(group.field("ORC-4")),
        alternate_placer_number=entity_identifier(group.field("OBR-53"))
        or entity_identifier(group.field("ORC-33")),
        reasons=tuple(reason for reason in _codes(group, "OBR-31") if reason.code),
        clinical_information=_clinical_information(group),
        procedure_modifiers=_codes(group, "OBR-45", "OBR-46", "OBR-47"),
        notes=(*notes(group), *filter(None, [group.get("TQ1-11").strip()])),
        callback=_telecoms(group, "OBR-17") or _telecoms(group, "ORC-14"),
        entered_by=practitioner(group.repetitions("ORC-10")),
        verified_by=practitioner(group.repetitions("ORC-11")),
        entering_organization=coded(group.field("ORC-17")),
        status_reason=coded(group.field("ORC-16")),
        ordering_facility=_facility(group),
        confidentiality=coded(group.field("ORC-28")),
    )


def sent(group: Segments) -> frozenset[str]:
    """The fields of `OrderDetails` of which the group says something."""
    return frozenset(name for name, paths in SOURCES.items() if group.says(*paths))


def _clinical_information(group: Segments) -> str:
    """OBR-13; where OBR-31 is empty it is the order's reason already."""
    reason = group.get("OBR-31.2") or group.get("OBR-31.1")
    return group.get("OBR-13").strip() if reason else ""


def _facility(group: Segments) -> Organization:
    return organization(group.field("ORC-21")).model_copy(
        update={
            "addresses": tuple(map(address, group.repetitions("ORC-22"))),
            "telecoms": _telecoms(group, "ORC-23"),
        }
    )


def _codes(group: Segments, *paths: str) -> tuple[CodedConcept, ...]:
    codes = (coded(each) for path in paths for each in group.repetitions(path))
    return tuple(code for code in codes if code != CodedConcept())


def _telecoms(group: Segments, path: str) -> tuple[Telecom, ...]:
    return tuple(filter(None, map(telecom, group.repetitions(path))))

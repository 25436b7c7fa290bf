"""HL7 PV1 → Encounter and the Location that it is at (v2-to-FHIR: PV1[Encounter], PL[Location])."""

from mappings.fhir.codes import TERMINOLOGY
from mappings.fhir.datatypes import Element, coding, filled, instant, terminology
from mappings.fhir.identifiers import identifier, own_identifier, visible
from mappings.fhir.people import Who
from mappings.tables import PACKAGED
from radflow.model import Location, Order, Practitioner, Visit

ROLES = {"attender": "ATND", "referrer": "REF", "consultant": "CON", "admitter": "ADM"}
"""v3-ParticipationType, as the guide has it for PV1-7, PV1-8, PV1-9 and PV1-17."""


def encounter(order: Order, *, subject: str, who: Who, where: str | None, base: str) -> Element:
    """The visit of the order; empty without a visit number (PV1-19), by which it is found.

    `where` refers to the Location of PV1-3.
    """
    number = identifier(order.visit_number, "VN", base) if order.visit_number else {}
    if not number:
        return {}
    visit = order.visit or Visit()
    planned = order.patient_class == "P"
    return filled(
        {
            "resourceType": "Encounter",
            "identifier": [number],
            "status": _status(order.patient_class, visit),
            "class": _class(order.patient_class),
            "subject": {"reference": subject},
            "participant": _participants(order, visit, who),
            "period": {"start": instant(visit.admitted_at), "end": instant(visit.discharged_at)},
            "location": [{"location": {"reference": where}, "status": "planned" if planned else "active"}]
            if where
            else [],
        }
    )


def location(place: Location, base: str) -> Element:
    """The Location; its parts in words, from the building to the bed, and found by them."""
    parts = (place.facility, place.building, place.floor, place.point_of_care, place.room, place.bed)
    told = [visible(part) for part in parts if visible(part)]
    if not told:
        return {}
    kind = "bd" if place.bed else "ro" if place.room else "wa" if place.point_of_care else "bu"
    return filled(
        {
            "resourceType": "Location",
            "identifier": [own_identifier("location", "/".join(parts), base)],
            "status": "active",
            "name": ", ".join(told),
            "description": place.description,
            "mode": "instance",
            "physicalType": terminology("location-physical-type", kind),
        }
    )


def _status(patient_class: str, visit: Visit) -> str:
    """PV1-45 has ended it; else by the patient's class (HL7 table 0004)."""
    if visit.discharged_at:
        return "finished"
    return PACKAGED.code("encounter-status", patient_class) or "unknown"


def _class(patient_class: str) -> Element:
    """v3-ActCode where the guide has one. Encounter.class is required: no class is v3's null, `unknown`."""
    row = PACKAGED.row("encounter-class", patient_class)
    if row:
        return coding(f"{TERMINOLOGY}/v3-ActCode", *row)
    if visible(patient_class):
        return coding(f"{TERMINOLOGY}/v2-0004", patient_class)
    return coding(f"{TERMINOLOGY}/v3-NullFlavor", "UNK", "unknown")


def _participants(order: Order, visit: Visit, who: Who) -> list[Element]:
    taking_part: list[tuple[str, Practitioner]] = [
        ("attender", visit.attending_physician),
        ("referrer", order.referring_physician),
        *(("consultant", each) for each in visit.consulting_physicians),
        ("admitter", visit.admitting_physician),
    ]
    return [
        {"type": [terminology("v3-ParticipationType", ROLES[role], role)], "individual": individual}
        for role, physician in taking_part
        if (individual := who(physician))
    ]
